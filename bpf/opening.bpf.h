/* SPDX-License-Identifier: GPL-2.0-only */
/* When a direction of a flow is open: what the gate goes by, and who sleeps in front of it. */
#ifndef TLSHUB_OPENING_BPF_H
#define TLSHUB_OPENING_BPF_H

#include "traffic.bpf.h"

/*
 * tls_context says that it encrypts, then TLS's functions take the place of TCP's in sk_prot, then in the socket's operations: three stores of
 * net/tls/tls_main.c (do_tls_setsockopt_conf(), update_sk_prot()), one behind the other, and an interrupt or a hypervisor can come between. A call
 * let through too early would go to TCP's function, and read records as they are. The last store comes before TLS looks at what is queued, so
 * the wake-up that it may cause still finds the direction open. sk_prot_creator is what the socket was made with.
 */
static __noinline bool calls_are_tls(struct sock *sk, const struct tlshub_flow *f, __u32 dirs)
{
	struct proto *now = BPF_CORE_READ(sk, __sk_common.skc_prot),
		     *plain = BPF_CORE_READ(sk, sk_prot_creator);

	if ((dirs & TLSHUB_TX) && BPF_CORE_READ(now, sendmsg) == BPF_CORE_READ(plain, sendmsg))
		return false;
	return !(dirs & TLSHUB_RX) ||
	       (BPF_CORE_READ(now, recvmsg) != BPF_CORE_READ(plain, recvmsg) &&
		(__u64)BPF_CORE_READ(sk, sk_socket, ops, splice_read) != f->plain_splice_read);
}

/* Is it armed for this connection, and does the kernel encrypt? What the gate goes by when it opens; notes nothing. */
static __always_inline bool looks_open(struct sock *sk, struct tcp_sock *tp, const struct tlshub_flow *f,
				       __u32 dirs)
{
	struct tlshub_verdict *v = bpf_sk_storage_get(&verdicts, sk, 0, 0);

	if (!v || v->generation != f->generation || (v->flags & dirs) != dirs || (v->flags & VERDICT_REFUSE))
		return false;
	return (kernel_encrypts(tp) & dirs) == dirs && calls_are_tls(sk, f, dirs);
}

/* Are they open? And if they are seen to be for the first time, that is noted. */
static __noinline bool is_open(struct sock *sk, struct tcp_sock *tp, struct tlshub_flow *f, __u32 dirs)
{
	if (was_opened(f, dirs))
		return true;
	if (!looks_open(sk, tp, f, dirs))
		return false;
	note_opening(sk, tp, f, dirs);
	if (dirs & TLSHUB_TX)
		f->open_tx = f->generation;
	if (dirs & TLSHUB_RX)
		f->open_rx = f->generation;
	return true;
}

/* Beside enum tlshub_verdict_flag: the agent has the connection in hand, and what it says of it may be still to come. */
#define VERDICT_CLAIMED (1u << 31)

/* What user space has said of this connection. */
static __always_inline __u32 verdict_of(struct sock *sk, struct tlshub_flow *f)
{
	struct tlshub_verdict *v = bpf_sk_storage_get(&verdicts, sk, 0, 0);

	return v && v->generation == f->generation ? v->flags | VERDICT_CLAIMED : 0;
}

static __always_inline bool user_refused(struct sock *sk, struct tlshub_flow *f)
{
	return verdict_of(sk, f) & VERDICT_REFUSE;
}

#endif
