// SPDX-License-Identifier: GPL-2.0
/* Every socket that has flow state, as struct tlshub_sweep: finds what a lost event or an earlier agent's death left held. */
#include "flow.bpf.h"

SEC("iter/bpf_sk_storage_map")
int sweep(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct tlshub_owner none = {}, *o;
	struct seq_file *seq = ctx->meta->seq;
	struct tlshub_flow *f = ctx->value;
	struct sock *sk = ctx->sk;
	struct tlshub_verdict *v;
	struct tcp_sock *tp;
	struct tlshub_socket tail = {};

	if (!sk || !f)
		return 0;
	bpf_seq_write(seq, f, sizeof(*f));
	o = bpf_sk_storage_get(&owners, sk, 0, 0);
	bpf_seq_write(seq, o ? o : &none, sizeof(none));
	tp = bpf_skc_to_tcp_sock(sk);
	v = bpf_sk_storage_get(&verdicts, sk, 0, 0);
	tail.sk_state = sk->__sk_common.skc_state;
	tail.encrypts = tp ? kernel_encrypts(tp) : 0;
	tail.verdict_flags = v && v->generation == f->generation ? v->flags : 0;
	bpf_seq_write(seq, &tail, sizeof(tail));
	return 0;
}

char _license[] SEC("license") = "GPL";
