/* SPDX-License-Identifier: GPL-2.0-only */
/* Peers that say nothing: how long a caller may stand still for one. */
#ifndef TLSHUB_SILENCE_BPF_H
#define TLSHUB_SILENCE_BPF_H

#include "flow.bpf.h"

/* A process that stands still for nothing: never longer than silent_ns, less for peers that did it before, never less than this. */
#define SILENT_FLOOR_NS (50 * 1000000ull)
#define SILENT_FORGIVE_NS (60 * 1000000000ull)

/* Each cgroup has its own: in a network namespace of its own a program has any address, and is as silent there as it likes. */
static __always_inline struct tlshub_silent_key peer_of(const struct tlshub_flow *f)
{
	struct tlshub_silent_key key = {.cgroup = f->cgroup};

	copy_address(key.address, f->tuple.remote);
	return key;
}

/* How long a blocking caller may stand still for this peer's first byte; halved for each time that it let one wait in vain. */
static __always_inline __u64 silent_limit(struct tlshub_flow *f, struct tlshub_settings *s, __u64 now)
{
	struct tlshub_silent_key peer = peer_of(f);
	struct tlshub_silent_peer *p = bpf_map_lookup_elem(&silent_peers, &peer);
	__u64 limit = s->silent_ns;

	if (p && now - p->last_ns < SILENT_FORGIVE_NS)
		limit >>= p->count & 31;
	return limit < SILENT_FLOOR_NS ? SILENT_FLOOR_NS : limit;
}

static __always_inline void note_silent(struct tlshub_flow *f, __u64 now)
{
	struct tlshub_silent_key peer = peer_of(f);
	struct tlshub_silent_peer *p = bpf_map_lookup_elem(&silent_peers, &peer),
				  n = {.last_ns = now, .count = 1};

	if (p && now - p->last_ns < SILENT_FORGIVE_NS)
		n.count = p->count < 20 ? p->count + 1 : p->count;
	bpf_map_update_elem(&silent_peers, &peer, &n, BPF_ANY);
}

/* How long a blocking caller may go on standing still for a peer that has said nothing, 0: not any more. */
static __always_inline __u64 silence_left(struct tlshub_flow *f, struct tlshub_settings *s, __u64 now)
{
	__u64 limit = silent_limit(f, s, now), waited = now - f->established_ns;

	return waited > limit ? 0 : limit - waited;
}

/* Keys by name wait for no byte of the peer's: its program may be silent for as long as it likes. */
static __always_inline bool is_silent(const struct tlshub_flow *f, __u32 rcv_nxt)
{
	return f->role == ROLE_PASSIVE && !f->what && rcv_nxt - f->irs == 1;
}

#endif
