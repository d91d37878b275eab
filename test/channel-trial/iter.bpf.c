// SPDX-License-Identifier: GPL-2.0-only
// Gives listeners from before the callbacks' flag (kernels from 6.12 on). An object of its own, since others refuse it.
#include "kernel.h"
#include "trial.h"
#include <bpf/bpf_helpers.h>

#define TCP_BPF_SOCK_OPS_CB_FLAGS 1008
#define LISTEN 10

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};
#pragma clang attribute pop

SEC("iter/tcp")
int mark_listeners(struct bpf_iter__tcp *ctx)
{
	int flags = BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG, result[2];
	struct sock_common *sk = ctx->sk_common;

	if (!sk || sk->skc_state != LISTEN)
		return 0;
	result[0] = sk->skc_num;
	result[1] = bpf_setsockopt(sk, SOL_TCP, TCP_BPF_SOCK_OPS_CB_FLAGS, &flags, sizeof(flags));
	bpf_seq_write(ctx->meta->seq, result, sizeof(result));
	return 0;
}

char _license[] SEC("license") = "GPL";
