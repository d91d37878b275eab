/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may be stopped or put to sleep, and when. */
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

/* Can threads be put to sleep? Then nobody is stopped who can be. */
static __always_inline bool can_sleep(__u64 now)
{
	__u32 zero = 0;
	struct tlshub_leases *l = bpf_map_lookup_elem(&leases, &zero);

	return l && l->sleep_on && l->holder_until_ns > now;
}

static __always_inline long current_syscall(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	if (task->flags & (PF_KTHREAD | PF_IO_WORKER))
		return -1;
	return syscall_number(regs);
}

static __always_inline bool may_be_stopped(struct task_struct *task)
{
	return task->tgid != 1 && !(task->flags & (PF_KTHREAD | PF_EXITING));
}

#endif
