// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every socket that has flow state, and how it was secured if its storage says so. Finds what a lost event or an earlier agent's death left
 * held, and is where secured connections are listed from.
 */
#include "traffic.bpf.h"

/* Where a record begins, and the flow as it is at this moment, by whose generation the rest is chosen. */
struct beginning {
	struct tlshub_head head;
	struct tlshub_flow flow;
};
_Static_assert(sizeof(struct beginning) == __builtin_offsetof(struct tlshub_sweep, owner),
	       "the owner comes next");

/* Returns the flow's generation. */
static __noinline __u32 write_flow(struct seq_file *seq, struct tlshub_flow *f, struct tlshub_secured *s)
{
	struct beginning b = {.head = {.type = RECORD_SOCKET, .bytes = sizeof(struct tlshub_sweep)}};

	b.flow = *f;
	if (s && s->generation == b.flow.generation) {
		b.head.type = RECORD_SECURED_SOCKET;
		b.head.bytes = sizeof(struct tlshub_secured_sweep);
	}
	bpf_seq_write(seq, &b, sizeof(b));
	return b.flow.generation;
}

static __noinline int write_socket(struct seq_file *seq, struct sock *sk, struct tlshub_flow *f,
				   __u32 generation)
{
	struct tlshub_owner *o = bpf_sk_storage_get(&owners, sk, 0, 0), owner = {};
	struct tlshub_verdict *v = bpf_sk_storage_get(&verdicts, sk, 0, 0);
	struct tlshub_traffic *t = bpf_sk_storage_get(&traffic, sk, 0, 0), now = {};
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tlshub_socket socket = {.sk_state = sk->__sk_common.skc_state};

	if (o)
		owner = *o;
	bpf_seq_write(seq, &owner, sizeof(owner));
	if (t)
		now = *t;
	if (tp) {
		measure(tp, f, &now, socket.sk_state);
		socket.traffic = now.flags;
		socket.bytes_sent = now.bytes_sent;
		socket.bytes_received = now.bytes_received;
		socket.encrypts = kernel_encrypts(tp);
	}
	if (sk->sk_lock.owned)
		socket.traffic |= TRAFFIC_LOCKED;
	if (v && v->generation == generation)
		socket.verdict_flags = v->flags;
	bpf_seq_write(seq, &socket, sizeof(socket));
	return 0;
}

/* A record is written in pieces, since it would not fit on the stack beside what it takes to make it; the kernel hands it out whole all the same. */
SEC("iter/bpf_sk_storage_map")
int sweep(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct tlshub_flow *f = ctx->value;
	struct sock *sk = ctx->sk;
	struct tlshub_secured *s;
	__u32 generation;

	if (!sk || !f)
		return 0;
	s = bpf_sk_storage_get(&secured, sk, 0, 0);
	generation = write_flow(ctx->meta->seq, f, s);
	write_socket(ctx->meta->seq, sk, f, generation);
	if (s && s->generation == generation)
		bpf_seq_write(ctx->meta->seq, s, sizeof(*s));
	return 0;
}

char _license[] SEC("license") = "GPL";
