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

/*
 * A stop, in the order that hold_blocking() gives the reasons for: the record, the signal, and another look at what it is for. If there is no
 * reason any more, or somebody has taken the record away, it is undone.
 */
static __always_inline bool note_stop(const struct tlshub_flow *f, struct tlshub_stop_key *key)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tlshub_stop stop = {
		.start_boottime = task->group_leader->start_boottime,
		.since_ns = bpf_ktime_get_ns(),
	};

	key->cookie = f->cookie;
	key->tgid = task->tgid;
	key->pad = 0;
	return !bpf_map_update_elem(&stops, key, &stop, BPF_ANY);
}

/* False: there is none, and no record. @worker: of io_uring */
static __always_inline bool send_stop(struct tlshub_stop_key *key, bool worker)
{
	if (worker ? bpf_send_signal(SIGSTOP) : bpf_send_signal_thread(SIGSTOP)) {
		bpf_map_delete_elem(&stops, key);
		return false;
	}
	count(COUNTER_STOPS);
	return true;
}

static __always_inline bool is_noted(struct tlshub_stop_key *key)
{
	return bpf_map_lookup_elem(&stops, key) != NULL;
}

static __always_inline void undo_stop(struct tlshub_stop_key *key)
{
	bpf_map_delete_elem(&stops, key);
	bpf_send_signal(SIGCONT);
	count(COUNTER_STOP_RACES_UNDONE);
}

#endif
