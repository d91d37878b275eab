/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The marker: a TCP option on SYN, SYN-ACK and the first segments after it, by which an agent tells the peer's agent what it is going to do
 * with the connection. docs/POLICY.md has its format and what follows from it.
 *
 * Nobody vouches for it: whoever is on the way can add, change or take it away. So it only ever refuses what would not have worked, at
 * once instead of after a deadline, and opens nothing.
 *
 * The active side writes it as long as nobody may have dropped a SYN for it: a SYN that is sent again goes without. It also writes it on what
 * follows the SYN-ACK, until it has sent data, since the passive side reads it there: a SYN is not kept, and its listener may be older than the
 * agent. A SYN-ACK has it if the SYN had. For that the listener needs the callback's flag when it begins to listen; its connections inherit it.
 */
#ifndef TLSHUB_MARKER_BPF_H
#define TLSHUB_MARKER_BPF_H

#include "flow.bpf.h"
#include "marker.h"

/* Segments after the SYN-ACK that carry it if none of them has data. When it is not written any more, `marks` is above that. */
#define MARKER_SEGMENTS 4
#define MARKING_OVER (MARKER_SEGMENTS + 1)

#define TCP_FLAG_SYN 0x02

/* The peer's marker in the segment at hand, or in the SYN that a SYN-ACK answers (BPF_LOAD_HDR_OPT_TCP_SYN). INTENT_UNKNOWN: there is none. */
static __always_inline __u32 read_marker(struct bpf_sock_ops *ops, __u64 flags)
{
	struct marker m = {.kind = MARKER_KIND, .len = 4, .exid = {MARKER_EXID_HIGH, MARKER_EXID_LOW}};

	if (bpf_load_hdr_opt(ops, &m, sizeof(m), flags) != sizeof(m) || m.version != MARKER_VERSION)
		return INTENT_UNKNOWN;
	return m.intent;
}

static __always_inline __u32 intent_of(__u32 class)
{
	struct tlshub_settings *s = get_settings();

	if (!s)
		return INTENT_UNKNOWN;
	switch (class) {
	case CLASS_MESH:
		return s->intent;
	case CLASS_PLAINTEXT:
		return s->intent ? INTENT_PLAINTEXT : INTENT_UNKNOWN;
	default:
		return s->intent ? INTENT_REFUSED : INTENT_UNKNOWN;
	}
}

/* What we say of a flow that we begin: nothing to strangers, and nothing on loopback. */
static __always_inline __u32 intent_when_connecting(const struct tlshub_flow *f)
{
	if (f->refused || f->flow_class == CLASS_REFUSED)
		return INTENT_UNKNOWN;
	if (f->flow_class == CLASS_PLAINTEXT &&
	    (is_loopback(f->tuple.remote) || is_loopback(f->tuple.local) || !mesh_entry(f->tuple.remote)))
		return INTENT_UNKNOWN;
	return intent_of(f->flow_class);
}

/* An IPv6 address of the context, which is to be read by words. */
static __always_inline void read_words(__u8 out[16], const volatile __u32 *words)
{
	__u32 copy[4] = {words[0], words[1], words[2], words[3]};

	__builtin_memcpy(out, copy, 16);
}

/* What we say in a SYN-ACK, of which there is no socket yet. */
static __always_inline __u32 intent_when_answering(struct bpf_sock_ops *ops)
{
	struct tlshub_tuple tuple = {};

	if (read_marker(ops, BPF_LOAD_HDR_OPT_TCP_SYN) == INTENT_UNKNOWN)
		return INTENT_UNKNOWN;
	if (ops->family == AF_INET6) {
		read_words(tuple.local, ops->local_ip6);
		read_words(tuple.remote, ops->remote_ip6);
	} else {
		map_v4(tuple.local, ops->local_ip4);
		map_v4(tuple.remote, ops->remote_ip4);
	}
	tuple.lport = ops->local_port;
	tuple.rport = bpf_ntohl(ops->remote_port);
	return intent_of(classify(&tuple, ROLE_PASSIVE));
}

/* What the segment that is being built is to say. */
static __noinline __u32 intent_now(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct tlshub_flow *f;

	if (!ops->is_fullsock)
		return intent_when_answering(ops);
	if (!sk)
		return INTENT_UNKNOWN;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f || f->marks == MARKING_OVER || (!f->established_ns && ops->total_retrans))
		return INTENT_UNKNOWN;
	return f->intent;
}

/* Before the header is there, so that the length is that of the payload. */
static __always_inline void reserve_marker(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct tlshub_flow *f;

	if (intent_now(ops) == INTENT_UNKNOWN || bpf_reserve_hdr_opt(ops, MARKER_LEN, 0))
		return;
	if (!ops->is_fullsock || !sk || !ops->skb_len)
		return;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (f)
		f->marks = MARKER_SEGMENTS; /* the first data is the last that carries it */
}

/* A mesh flow's callback stays, for its end (ending.bpf.h). */
static __always_inline void stop_marking(struct bpf_sock_ops *ops, struct tlshub_flow *f)
{
	f->marks = MARKING_OVER;
	if (f->flow_class != CLASS_MESH)
		bpf_sock_ops_cb_flags_set(ops,
					  ops->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
}

static __always_inline void write_marker(struct bpf_sock_ops *ops)
{
	struct marker m = {MARKER_KIND, MARKER_LEN, {MARKER_EXID_HIGH, MARKER_EXID_LOW}, MARKER_VERSION};
	struct bpf_sock *sk = ops->sk;
	struct tlshub_flow *f;

	m.intent = intent_now(ops);
	if (m.intent == INTENT_UNKNOWN)
		return;
	bpf_store_hdr_opt(ops, &m, sizeof(m), 0);
	if (!ops->is_fullsock || !sk || (ops->skb_tcp_flags & TCP_FLAG_SYN))
		return;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (f && ++f->marks >= MARKER_SEGMENTS)
		stop_marking(ops, f);
}

/* What the two sides want does not fit together: the reason to refuse, or REASON_NONE. */
static __always_inline __u32 disagreement(__u32 class, __u32 peer)
{
	if (peer == INTENT_UNKNOWN || class == CLASS_REFUSED)
		return REASON_NONE;
	if (peer == INTENT_REFUSED)
		return REASON_PEER_REFUSES;
	if (class == CLASS_PLAINTEXT)
		return peer == INTENT_PLAINTEXT ? REASON_NONE : REASON_PEER_SECURES;
	if (peer == INTENT_PLAINTEXT)
		return REASON_PEER_PLAINTEXT;
	return peer == intent_of(class) ? REASON_NONE : REASON_PEER_MODE;
}

/* At ESTABLISHED: reads what the peer said, and refuses what cannot work. */
static __always_inline void heed_marker(struct bpf_sock_ops *ops, struct tlshub_flow *f)
{
	struct tlshub_settings *s = get_settings();
	__u32 reason;

	if (!s || s->intent == INTENT_UNKNOWN)
		return;
	f->peer_intent = read_marker(ops, 0);
	reason = disagreement(f->flow_class, f->peer_intent);
	if (!reason)
		return;
	/* A plaintext flow passes the gate by its class; a mesh flow stays what it is to the egress guard. */
	if (f->flow_class == CLASS_PLAINTEXT)
		f->flow_class = CLASS_REFUSED;
	if (!f->refused)
		f->refused = reason;
	count(COUNTER_REFUSED);
}

#endif
