/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The marker: a TCP option on SYN, SYN-ACK and the first segments after it, by which an agent tells the peer's agent what it is going to do
 * with the connection. docs/POLICY.md has its format and what follows from it, docs/CHANNEL.md that of version 2 (channel.h). What version 2 does not say
 * is said by version 1, which every agent reads.
 *
 * Nobody vouches for it: whoever is on the way can add, change or take it away. So it refuses at once what would not have worked, or leads to keys
 * by name that then fit nothing; it opens nothing.
 *
 * The active side writes it as long as nobody may have dropped a SYN for it: a SYN that is sent again goes without. It also writes it on what
 * follows the SYN-ACK, since the passive side reads it there: a SYN is not kept, and its listener may be older than the agent. It goes on until the
 * peer has acknowledged or sent data: before, any segment may be the first that arrives, and the one that makes the peer's connection. A SYN-ACK has
 * it if the SYN had. For that the listener needs the callback's flag when it begins to listen; its connections inherit it.
 */
#ifndef TLSHUB_MARKER_BPF_H
#define TLSHUB_MARKER_BPF_H

#include "channel.bpf.h"
#include "marker.h"

#define TCP_FLAG_SYN 0x02

/* What a marker says, of either version. */
struct saying {
	__u32 intent;		 /* tlshub_intent; INTENT_UNKNOWN: there is no marker */
	__u32 bytes;		 /* MARKER_LEN, or what a form of version 2 has */
	struct channel_marker m; /* the latter */
};

/*
 * The peer's in the segment at hand, or in the SYN that a SYN-ACK answers (BPF_LOAD_HDR_OPT_TCP_SYN). @form: the one of version 2 that is due there.
 */
static __always_inline void read_marker(struct bpf_sock_ops *ops, struct saying *said, __u8 form, __u64 flags)
{
	__u8 found[16] = {MARKER_KIND, 4, MARKER_EXID_HIGH, MARKER_EXID_LOW};
	int got = bpf_load_hdr_opt(ops, found, CHANNEL_SYN_BYTES, flags);

	__builtin_memset(said, 0, sizeof(*said));
	if (got == MARKER_LEN && found[4] == MARKER_VERSION) {
		said->intent = found[5];
		said->bytes = MARKER_LEN;
	} else if (got == form) {
		channel_decode(&said->m, found, form);
		if (!said->m.what)
			return;
		said->intent = INTENT_IN_BAND;
		said->bytes = form;
	}
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

/* Who is told that there is an agent waits for it: without one nothing is said of what it would have to secure. */
static __always_inline bool nobody_secures(__u32 class)
{
	return class == CLASS_MESH && !has_live_agent(bpf_ktime_get_ns());
}

/* What we say of a flow that we begin: nothing to strangers, and nothing on loopback. */
static __always_inline __u32 intent_when_connecting(const struct tlshub_flow *f)
{
	if (nobody_secures(f->flow_class))
		return INTENT_UNKNOWN;
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
static __always_inline void say_in_answer(struct bpf_sock_ops *ops, struct saying *say)
{
	struct tlshub_settings *s = get_settings();
	struct tlshub_tuple tuple = {};
	struct saying syn;
	__u32 class;

	read_marker(ops, &syn, CHANNEL_SYN_BYTES, BPF_LOAD_HDR_OPT_TCP_SYN);
	if (!s || syn.intent == INTENT_UNKNOWN)
		return;
	if (ops->family == AF_INET6) {
		read_words(tuple.local, ops->local_ip6);
		read_words(tuple.remote, ops->remote_ip6);
	} else {
		map_v4(tuple.local, ops->local_ip4);
		map_v4(tuple.remote, ops->remote_ip4);
	}
	tuple.lport = ops->local_port;
	tuple.rport = bpf_ntohl(ops->remote_port);
	class = classify(&tuple, ROLE_PASSIVE);
	if (nobody_secures(class))
		return;
	say->intent = intent_of(class);
	say->bytes = MARKER_LEN;
	if (class == CLASS_MESH && syn.m.what && agents_are_to_agree(s) &&
	    name_epoch(ops, &tuple, &syn.m, &say->m))
		say->bytes = CHANNEL_SYN_ACK_BYTES;
}

/* Has the peer made its connection, and so read a marker? It has if it has acknowledged data or sent some. */
static __always_inline bool is_read(struct bpf_sock_ops *ops, const struct tlshub_flow *f)
{
	return ops->snd_una - f->iss > 1 || ops->data_segs_in;
}

/* What we say in a segment of a connection that we have begun. */
static __always_inline void say_of_flow(struct bpf_sock_ops *ops, const struct tlshub_flow *f,
					struct saying *say)
{
	struct tlshub_settings *s = get_settings();

	if (!s || f->said || (f->established_ns ? is_read(ops, f) : ops->total_retrans))
		return;
	say->intent = f->intent;
	say->bytes = MARKER_LEN;
	if (f->what) {
		say->m.what = f->what;
		say->m.epoch = f->epoch;
		say->m.number = f->number;
		say->bytes = CHANNEL_ACK_BYTES;
	} else if (ops->state == STATE_SYN_SENT && f->intent == INTENT_IN_BAND && agents_are_to_agree(s)) {
		say->bytes = CHANNEL_SYN_BYTES;
	}
}

static __always_inline struct tlshub_flow *flow_of(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;

	return ops->is_fullsock && sk ? bpf_sk_storage_get(&flows, sk, 0, 0) : NULL;
}

/* What the segment that is being built is to say. */
static __always_inline void say_now(struct bpf_sock_ops *ops, const struct tlshub_flow *f, struct saying *say)
{
	__builtin_memset(say, 0, sizeof(*say));
	if (!ops->is_fullsock)
		say_in_answer(ops, say);
	else if (f)
		say_of_flow(ops, f, say);
}

/* A mesh flow's callback stays, for its end (ending.bpf.h). */
static __always_inline void stop_marking(struct bpf_sock_ops *ops, struct tlshub_flow *f)
{
	f->said = 1;
	if (f->flow_class != CLASS_MESH)
		bpf_sock_ops_cb_flags_set(ops,
					  ops->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
}

/* Before the header is there, so that the length is that of the payload. */
static __noinline int reserve_marker(struct bpf_sock_ops *ops)
{
	struct tlshub_flow *f = flow_of(ops);
	struct saying say;

	say_now(ops, f, &say);
	if (say.intent != INTENT_UNKNOWN)
		return bpf_reserve_hdr_opt(ops, say.bytes, 0);
	if (f && f->established_ns && !f->said)
		stop_marking(ops, f);
	return 0;
}

/* A SYN covers its own number, which is in the header that is being made; TCP's own is ahead of it. */
static __always_inline bool cover(struct bpf_sock_ops *ops, const struct tlshub_flow *f,
				  struct channel_marker *m)
{
	const __u8 *header = ops->skb_data;

	if (header + 20 > (const __u8 *)ops->skb_data_end)
		return false;
	m->what = CHANNEL_DIRECT;
	m->check_src = check_of(f->tuple.local, f->tuple.lport, channel_get(header + 4));
	m->check_dst = check_of(f->tuple.remote, f->tuple.rport, 0);
	return true;
}

static __noinline int write_marker(struct bpf_sock_ops *ops)
{
	struct tlshub_flow *f = flow_of(ops);
	__u8 option[16] = {MARKER_KIND, MARKER_LEN, MARKER_EXID_HIGH, MARKER_EXID_LOW, MARKER_VERSION};
	struct saying say;

	say_now(ops, f, &say);
	if (say.intent == INTENT_UNKNOWN)
		return 0;
	switch (say.bytes) {
	case CHANNEL_SYN_BYTES:
		if (!f || !cover(ops, f, &say.m))
			return 0;
		channel_encode(option, &say.m, CHANNEL_SYN_BYTES);
		return bpf_store_hdr_opt(ops, option, CHANNEL_SYN_BYTES, 0);
	case CHANNEL_SYN_ACK_BYTES:
		channel_encode(option, &say.m, CHANNEL_SYN_ACK_BYTES);
		return bpf_store_hdr_opt(ops, option, CHANNEL_SYN_ACK_BYTES, 0);
	case CHANNEL_ACK_BYTES:
		channel_encode(option, &say.m, CHANNEL_ACK_BYTES);
		return bpf_store_hdr_opt(ops, option, CHANNEL_ACK_BYTES, 0);
	default:
		option[5] = say.intent;
		return bpf_store_hdr_opt(ops, option, MARKER_LEN, 0);
	}
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

/* The active side has the last word, and the passive side goes by it. */
static __always_inline void agree(struct bpf_sock_ops *ops, const struct tlshub_settings *s,
				  struct tlshub_flow *f, struct channel_marker *m)
{
	if (!m->what || f->refused || f->flow_class != CLASS_MESH || !agents_are_to_agree(s))
		return;
	/* What goes without a marker says that it is in-band. */
	if (f->role == ROLE_ACTIVE && (f->intent == INTENT_UNKNOWN || ops->total_retrans || !take_number(m)))
		return;
	f->what = m->what;
	f->epoch = m->epoch;
	f->number = m->number;
}

/* At ESTABLISHED: reads what the peer said, and refuses what cannot work. */
static __noinline int heed_marker(struct bpf_sock_ops *ops, struct tlshub_flow *f)
{
	struct tlshub_settings *s = get_settings();
	struct saying peer;
	__u32 reason;

	if (!s || s->intent == INTENT_UNKNOWN)
		return 0;
	if (f->role == ROLE_ACTIVE)
		read_marker(ops, &peer, CHANNEL_SYN_ACK_BYTES, 0);
	else
		read_marker(ops, &peer, CHANNEL_ACK_BYTES, 0);
	f->peer_intent = peer.intent;
	if (f->role == ROLE_PASSIVE && f->flow_class == CLASS_MESH && agents_are_to_agree(s))
		note_third_segment(f, peer.intent != INTENT_UNKNOWN);
	reason = disagreement(f->flow_class, f->peer_intent);
	if (!reason) {
		agree(ops, s, f, &peer.m);
		return 0;
	}
	/* A plaintext flow passes the gate by its class; a mesh flow stays what it is to the egress guard. */
	if (f->flow_class == CLASS_PLAINTEXT)
		f->flow_class = CLASS_REFUSED;
	if (!f->refused)
		f->refused = reason;
	count(COUNTER_REFUSED);
	return 0;
}

#endif
