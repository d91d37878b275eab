// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every socket that has flow state, and how it was secured if its storage says so. Finds what a lost event or an earlier agent's death left
 * held, and is where secured connections are listed from.
 */
#include "traffic.bpf.h"

static __noinline int describe(struct sock *sk, struct tlshub_sweep *record)
{
	struct tlshub_owner *o = bpf_sk_storage_get(&owners, sk, 0, 0);
	struct tlshub_verdict *v = bpf_sk_storage_get(&verdicts, sk, 0, 0);
	struct tlshub_traffic *t = bpf_sk_storage_get(&traffic, sk, 0, 0), now = {};
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (t)
		now = *t;
	if (tp) {
		measure(tp, &record->flow, &now, sk->__sk_common.skc_state);
		record->socket.traffic = now.flags;
		record->socket.bytes_sent = now.bytes_sent;
		record->socket.bytes_received = now.bytes_received;
	}
	if (o)
		record->owner = *o;
	record->socket.sk_state = sk->__sk_common.skc_state;
	record->socket.encrypts = tp ? kernel_encrypts(tp) : 0;
	record->socket.verdict_flags = v && v->generation == record->flow.generation ? v->flags : 0;
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int sweep(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct tlshub_flow *f = ctx->value;
	struct tlshub_sweep record = {};
	struct sock *sk = ctx->sk;
	struct tlshub_secured *s;

	if (!sk || !f)
		return 0;
	record.flow = *f;
	s = bpf_sk_storage_get(&secured, sk, 0, 0);
	if (s && s->generation != f->generation)
		s = NULL;
	record.head.type = s ? RECORD_SECURED_SOCKET : RECORD_SOCKET;
	record.head.bytes = s ? sizeof(struct tlshub_secured_sweep) : sizeof(record);
	describe(sk, &record);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	if (s)
		bpf_seq_write(ctx->meta->seq, s, sizeof(*s));
	return 0;
}

char _license[] SEC("license") = "GPL";
