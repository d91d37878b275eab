/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keys by name (docs/CHANNEL.md), the kernel's part: which epoch the passive side names, which number the active side takes.
 *
 * An epoch's secret is in its agent and nowhere else, so who has no live agent names none and takes no number.
 */
#ifndef TLSHUB_CHANNEL_BPF_H
#define TLSHUB_CHANNEL_BPF_H

#include "channel.h"
#include "flow.bpf.h"

static __always_inline bool agents_are_to_agree(const struct tlshub_settings *s)
{
	return s->channel && s->intent == INTENT_IN_BAND;
}

static __always_inline bool has_live_agent(__u64 now)
{
	__u32 zero = 0;
	struct tlshub_leases *l = bpf_map_lookup_elem(&leases, &zero);

	return l && l->agent_until_ns > now;
}

/* The number of the node that has this address, 0: it is not known, or several have. */
static __always_inline __u32 node_of(const __u8 address[16])
{
	struct tlshub_mesh_value *found = mesh_entry(address);

	return found ? found->node : 0;
}

static __always_inline __u32 check_of(const __u8 address[16], __u16 port, __u32 isn)
{
	const __u32 *w = __builtin_assume_aligned(address, 4);
	__u32 words[4] = {bpf_ntohl(w[0]), bpf_ntohl(w[1]), bpf_ntohl(w[2]), bpf_ntohl(w[3])};

	return channel_check(words, port, isn);
}

/* What a SYN-ACK says, by the marker of the SYN and by what is seen here of the connection. False: nothing of keys by name. */
static __always_inline bool name_epoch(struct bpf_sock_ops *ops, const struct tlshub_tuple *t,
				       const struct channel_marker *syn, struct channel_marker *m)
{
	__u64 now = bpf_ktime_get_ns();
	struct tlshub_node_epoch *e;
	__u8 header[8] = {};
	__u32 node, *whole;
	int got;

	/* The SYN's header from the beginning; there is more of it, which is not asked for. */
	got = bpf_getsockopt(ops, SOL_TCP, TCP_BPF_SYN, header, sizeof(header));
	if ((got < 0 && got != -ENOSPC) ||
	    check_of(t->remote, t->rport, channel_get(header + 4)) != syn->check_src)
		return false;
	node = node_of(t->remote);
	if (!node || !has_live_agent(now))
		return false;
	whole = bpf_map_lookup_elem(&third_segments, &node);
	if (!whole || !*whole)
		return false;
	e = bpf_map_lookup_elem(&node_epochs, &node);
	if (!e || e->until_ns <= now)
		return false;
	m->what = check_of(t->local, t->lport, 0) == syn->check_dst ? CHANNEL_DIRECT : CHANNEL_TRANSLATED;
	m->epoch = e->epoch;
	return true;
}

/* False: the epoch is none of ours, or takes no flow any more. */
static __always_inline bool take_number(struct channel_marker *m)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 epoch = m->epoch, number;
	struct tlshub_epoch *e = bpf_map_lookup_elem(&epochs, &epoch);

	if (!e || e->until_ns <= now || !has_live_agent(now))
		return false;
	number = __sync_fetch_and_add(&e->given, 1);
	m->number = number;
	return number < CHANNEL_EPOCH_FLOWS;
}

static __always_inline void note_third_segment(const struct tlshub_flow *f, __u32 has_marker)
{
	__u32 node = node_of(f->tuple.remote), *known;

	if (!node)
		return;
	known = bpf_map_lookup_elem(&third_segments, &node);
	if (!known)
		bpf_map_update_elem(&third_segments, &node, &has_marker, BPF_ANY);
	else if (*known != has_marker)
		*known = has_marker;
}

#endif
