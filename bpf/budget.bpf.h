/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much a socket and a cgroup may have user space told. A program makes events for nothing: by closing a duplicate of a held socket, by asking
 * again, by a connect() that policy forbids. Without bounds, one that does it in a loop fills the perf buffer, and others' events are lost.
 *
 * What is withheld is counted, and the sweep makes up for it as for what is lost. Buckets are filled and emptied without a lock: processors
 * that meet in one may take the same token, which does no harm.
 */
#ifndef TLSHUB_BUDGET_BPF_H
#define TLSHUB_BUDGET_BPF_H

#include "flow.bpf.h"

/* Events a socket may make at once, and how long it takes for one more. More often than a spinning caller naps (answer.bpf.h). */
#define SOCKET_EVENTS 16
#define SOCKET_EVENT_NS (20 * 1000000ull)
/* So many of these go with its connection as the others do: who is held with it, that it is being closed. */
#define EVENTS_OF_A_CONNECTION 4
/* And so many are kept for those that stood still for theirs: who makes events for nothing leaves a spinning program its naps. */
#define KEPT_FOR_STOPPED 8

/*
 * Tokens of a cgroup, and how long it takes for one more: 65536 a second. A connection takes up to ten. An event that costs its program nothing
 * takes 256, and there must be enough left for thousands of connections: a burst of 64 of those, and 256 a second. One that it stood still for
 * takes 16, and comes before them.
 */
#define CGROUP_TOKENS 65536
#define CGROUP_TOKEN_NS (1000000000ull / CGROUP_TOKENS)
#define FREE_EVENT_TOKENS 256
#define STOP_EVENT_TOKENS 16
#define KEPT_FOR_CONNECTIONS 49152

static __always_inline bool take(struct tlshub_bucket *b, __u64 now, __u64 fill_ns, __u32 most, __u32 tokens,
				 __u32 keep)
{
	/* Before it was filled last: another processor came here after we had looked at the clock. */
	__u64 since = now < b->filled_ns ? 0 : now - b->filled_ns, more = since / fill_ns;

	if (more) {
		b->filled_ns = now - since % fill_ns;
		b->tokens = more + b->tokens < most ? more + b->tokens : most;
	}
	if (b->tokens < tokens + keep)
		return false;
	b->tokens -= tokens;
	return true;
}

static __always_inline bool cgroup_may_tell(__u64 cgroup, __u64 now, __u32 tokens, __u32 keep)
{
	struct tlshub_bucket *b = bpf_map_lookup_elem(&budgets, &cgroup), full = {};

	if (!b) {
		bpf_map_update_elem(&budgets, &cgroup, &full, BPF_NOEXIST);
		b = bpf_map_lookup_elem(&budgets, &cgroup);
	}
	return b && take(b, now, CGROUP_TOKEN_NS, CGROUP_TOKENS, tokens, keep);
}

/* An event that goes with a connection: it has begun, is accepted, stands still, has ended. */
VERIFIED_ONCE int may_tell(__u64 cgroup)
{
	if (cgroup_may_tell(cgroup, bpf_ktime_get_ns(), 1, 0))
		return true;
	count(COUNTER_EVENTS_WITHHELD);
	return false;
}

/*
 * An event that a program can have made as often as it likes. @f: the flow that it is about; NULL: there is a new one each time, or none.
 * @stopped: its process stands still for it.
 */
VERIFIED_ONCE int may_tell_again(struct tlshub_flow *f, __u64 cgroup, __u32 stopped)
{
	__u64 now = bpf_ktime_get_ns();
	bool first = false;

	if (f) {
		if (!take(&f->told, now, SOCKET_EVENT_NS, SOCKET_EVENTS, 1, stopped ? 0 : KEPT_FOR_STOPPED))
			goto withheld;
		first = f->told.tokens >= SOCKET_EVENTS - EVENTS_OF_A_CONNECTION;
	}
	if (first ? cgroup_may_tell(cgroup, now, 1, 0)
		  : cgroup_may_tell(cgroup, now, stopped ? STOP_EVENT_TOKENS : FREE_EVENT_TOKENS,
				    KEPT_FOR_CONNECTIONS))
		return true;
withheld:
	count(COUNTER_EVENTS_WITHHELD);
	return false;
}

#endif
