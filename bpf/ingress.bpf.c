// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps a FIN from a connection that has agreed on keys by name and does not have them yet.
 *
 * Kernel TLS is to be had in ESTABLISHED only (tls_init() of net/tls/tls_main.c: ENOTCONN else), and who has said all and closed does not wait for
 * a server that accepts late. So the segment is dropped here, as the network may do with any, and comes again. Whoever sets the keys says the end to the
 * program, if all before it has come (install() of native/domain/flow_ops.cc), so that nobody waits for that.
 *
 * Either the one who sets the keys sees the note of a FIN, or the one who wants to drop it sees the keys: each first writes, and then looks.
 */
#include "flow.bpf.h"
#include "segment.bpf.h"

#define TCP_FLAG_FIN 0x01

/* Agents have so long after accept() or connect(); then the flow is refused, and its end is as welcome as any. */
static __always_inline bool may_have_keys(const struct tlshub_flow *f)
{
	return !f->refused && (!f->hold_until_ns || bpf_ktime_get_ns() < f->hold_until_ns);
}

SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct segment seg = {};
	struct tlshub_flow *f;
	struct tcp_sock *tp;

	if (!sk)
		return PASS;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_TCP)
		return PASS;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f || !f->what || f->flow_class != CLASS_MESH || was_opened(f, TLSHUB_RX) || !may_have_keys(f))
		return PASS;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || read_segment(skb, &seg) || !(seg.flags & TCP_FLAG_FIN))
		return PASS;
	f->fin = seg.seq + seg.payload;
	__sync_fetch_and_add(&f->fins_kept, 1); /* also a fence */
	return kernel_encrypts(tp) & TLSHUB_RX ? PASS : DROP;
}

char _license[] SEC("license") = "GPL";
