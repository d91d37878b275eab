/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may be stopped, and when. */
#ifndef TLSHUB_STOP_BPF_H
#define TLSHUB_STOP_BPF_H

#include "flow.bpf.h"

/* Nobody but the agent and the guardian continues what we stop: without both alive, nothing is stopped. */
static __always_inline bool can_continue(__u64 now)
{
	__u32 zero = 0;
	struct tlshub_leases *l = bpf_map_lookup_elem(&leases, &zero);

	return l && l->agent_until_ns > now && l->guardian_until_ns > now;
}

static __always_inline bool may_be_stopped(struct task_struct *task)
{
	return task->tgid != 1 && !(task->flags & (PF_KTHREAD | PF_EXITING));
}

#endif
