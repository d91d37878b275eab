// SPDX-License-Identifier: GPL-2.0-only
/*
 * The egress guard: the belt to the gate's braces. It decides by policy on the addresses, not by whether flow state exists, so it
 * catches what the gate could not know of: listeners from outside the cgroup, state that could not be allocated, MPTCP subflows, TCP
 * Fast Open data. A mesh flow that is not secured sends control segments and the agent's own handshake bytes, nothing else.
 */
#include "budget.bpf.h"
#include "segment.bpf.h"

/*
 * Policy let it go in plaintext by the address that the program named, and netfilter or IPVS has put another in its place (a service's
 * address, a port of localhost): here the packet shows where it really goes.
 */
static __always_inline bool is_translated(const struct segment *seg, const struct tlshub_flow *f)
{
	const __u64 *to = (const __u64 *)seg->tuple.remote, *named = (const __u64 *)f->tuple.remote;

	return to[0] != named[0] || to[1] != named[1] || seg->tuple.rport != f->tuple.rport;
}

/*
 * If a packet leaves the host and comes from a loopback address (route_localnet, and a translation of its other end alone), then that address
 * says nothing of its connection, and only where it goes counts.
 */
VERIFIED_ONCE __u32 classify_packet(struct tlshub_tuple *t, __u32 ifindex)
{
	if (!t)
		return CLASS_REFUSED;
	if (ifindex != LOOPBACK_IFINDEX && is_loopback(t->local)) {
		__builtin_memset(t->local, 0, sizeof(t->local));
		t->lport = 0;
	}
	return classify_unknown(t);
}

static __noinline int refuse_translated(struct __sk_buff *skb, struct tlshub_flow *f)
{
	struct tlshub_event e;

	f->flow_class = CLASS_REFUSED;
	f->refused = REASON_TRANSLATED;
	count(COUNTER_REFUSED);
	if (!may_tell(f->cgroup))
		return 0;
	fill_event(&e, EVENT_REFUSED, f);
	emit(skb, &e);
	return 0;
}

SEC("cgroup_skb/egress")
int egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct tlshub_flow *f = NULL;
	struct tcp_sock *tp = NULL;
	struct segment seg = {};
	bool plaintext = false;
	__u32 class;
	int kind;

	if (sk) {
		sk = bpf_sk_fullsock(sk);
		if (sk && sk->protocol != IPPROTO_TCP && sk->protocol != IPPROTO_MPTCP)
			return PASS;
		if (sk)
			f = bpf_sk_storage_get(&flows, sk, 0, 0);
		if (f && was_opened(f, TLSHUB_TX))
			return PASS;
		plaintext = f && f->flow_class == CLASS_PLAINTEXT;
		if (sk)
			tp = bpf_skc_to_tcp_sock(sk);
	}
	kind = read_segment(skb, &seg);
	if (kind > 0 || (kind == 0 && seg.payload == 0))
		return PASS;
	if (plaintext && (skb->ifindex == LOOPBACK_IFINDEX || !is_translated(&seg, f)))
		return PASS;
	class = classify_packet(&seg.tuple, skb->ifindex);
	/* What was let go since it named loopback has no business with strangers either. */
	if (plaintext && class == CLASS_REFUSED && is_loopback(f->tuple.remote))
		class = CLASS_MESH;
	/* The address in the header is that of a first hop when the program asked for a route of its own: the flow knows better. */
	if (class != CLASS_MESH && !(f && f->flow_class == CLASS_MESH))
		return PASS;
	if (plaintext)
		refuse_translated(skb, f);
	/*
	 * By the end of the segment, and only while nobody but the agent has written: what a program queued in front of the handshake
	 * would lie within the number of bytes that the agent may send.
	 */
	if (kind == 0 && f && tp && f->established_ns && !has_foreign_bytes(tp, f) &&
	    (__s32)(seg.seq + seg.payload - (f->iss + 1) - f->agent_tx) <= 0)
		return PASS;
	count(COUNTER_EGRESS_DROPS);
	return DROP;
}

char _license[] SEC("license") = "GPL";
