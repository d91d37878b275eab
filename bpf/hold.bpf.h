/* SPDX-License-Identifier: GPL-2.0-only */
/* Refusing a flow, and holding who wants to wait for one: by stopping the process until user space has decided. */
#ifndef TLSHUB_HOLD_BPF_H
#define TLSHUB_HOLD_BPF_H

#include "budget.bpf.h"
#include "opening.bpf.h"
#include "silence.bpf.h"
#include "stop.bpf.h"

static __noinline int refuse(void *ctx, struct tlshub_flow *f, __u32 reason)
{
	struct tlshub_owner caller;
	struct tlshub_event e;

	if (!f->refused) {
		f->refused = reason;
		count(COUNTER_REFUSED);
		if (!may_tell(bpf_get_current_cgroup_id()))
			return -ECONNRESET;
		current_owner(&caller, NULL, NULL);
		fill_event(&e, EVENT_REFUSED, f);
		fill_owner(&e, &caller);
		emit(ctx, &e);
	}
	return -ECONNRESET;
}

/*
 * Holds a caller that wants to wait, by stopping its process. The order is the point: the record is in the map before the signal,
 * and the state is looked at again after it. Whoever opens the flow does so before reading the records, so either it
 * finds the record, or we find the flow open.
 *
 * Whoever continues a process takes its record away first. So if the record is gone after our signal, its SIGCONT may have come
 * before our SIGSTOP, and nobody would send another: then it is ours to send. The guardian opens nothing, it only continues.
 *
 * The signal goes to the thread, not the group: a group's second SIGSTOP would be merged with one that is pending and leave this
 * thread without one, and then user space would see errno 512. It stops the whole group all the same. Once the helper says 0, this
 * thread has TIF_SIGPENDING, and only loses it on its way out: even if a SIGCONT takes the signal away again, the call is restarted.
 * A worker of io_uring restarts nothing, but can stop the others.
 */
static __noinline int hold_blocking(struct sock *sk, struct tcp_sock *tp, struct tlshub_flow *f, __u32 dirs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tlshub_stop_key key;

	/* Two processes that share the socket may come at the same time: from the second stop on, user space walks all records. */
	f->stop_tgid = task->tgid;
	__sync_fetch_and_add(&f->stop_many, 1);
	if (!note_stop(f, &key) || !send_stop(&key, task->flags & PF_IO_WORKER))
		return -EAGAIN;
	if (f->refused || is_open(sk, tp, f, dirs) || user_refused(sk, f) || !is_noted(&key))
		undo_stop(&key);
	return -ERESTARTSYS;
}

/* Returns false if there was too much to tell. */
static __noinline bool tell_held(void *ctx, struct sock *sk, struct tlshub_flow *f, bool blocking,
				 __u64 silent_ns)
{
	struct tlshub_owner caller;
	struct tlshub_event e;

	current_owner(&caller, NULL, sk);
	if (f->held_tgid == caller.tgid && !blocking)
		return true;
	if (!may_tell_again(f, bpf_get_current_cgroup_id(), blocking))
		return false;
	f->held_tgid = caller.tgid;
	fill_event(&e, EVENT_HELD, f);
	fill_owner(&e, &caller);
	e.hold = blocking ? HOLD_STOP : HOLD_NONE;
	e.wait_ms = silent_ns / 1000000;
	emit(ctx, &e);
	return true;
}

#endif
