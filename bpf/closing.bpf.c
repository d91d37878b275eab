// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program closes a socket that the agent still has a descriptor of. Then close() does not end the connection, and what is worse, the
 * socket stays in the program's epoll sets: the program is told of a descriptor that it has closed, by a pointer to what it has freed
 * (epoll(7), "Will closing a file descriptor cause it to be removed from all epoll interest lists?").
 *
 * So whoever closes the program's last descriptor of such a socket does not come back from close() before the agent's is closed as well. Who has
 * it in no epoll set is let go: nothing tells it of the descriptor that is left, and its parent might tell of a stop. The process is
 * stopped on its way out, and continued by whoever closes the agent's (native/domain/flow_ops.cc, release()). That is the same protocol
 * as hold_blocking()'s: the record first, then the signal, then another look. It concerns a program that gives up a connection while
 * it is held, and one that is through with it in the moment between the opening of the gate and the end of the agent's work.
 */
#include "budget.bpf.h"
#include "stop.bpf.h"
#include "watch.h"

/* A socket is in so many epoll sets as a rule; who has it in more has it in one of its own. */
#define MOST_WATCHES 4

static __always_inline __u32 references(struct file *file)
{
	struct file___ref *f = (void *)file;

	if (bpf_core_field_exists(file->f_count))
		return BPF_CORE_READ(file, f_count.counter);
	return BPF_CORE_READ(f, f_ref.refcnt.counter) + 1;
}

/* Is the file in an epoll set that is not the agent's? Those are taken off the list behind a grace period, which lasts until this is through. */
static __noinline bool is_watched(struct file *file)
{
	struct hlist_head *head = BPF_CORE_READ(file, f_ep);
	struct hlist_node *at = head ? BPF_CORE_READ(head, first) : NULL;
	struct epitem *item;
	__u64 data;

	for (int i = 0; i < MOST_WATCHES; i++) {
		if (!at)
			return false;
		item = (void *)at - bpf_core_field_offset(item->fllink);
		data = BPF_CORE_READ(item, event.data);
		if ((data & AGENTS_WATCH_MASK) != AGENTS_WATCH)
			return true;
		at = BPF_CORE_READ(at, next);
	}
	return true;
}

/* The agent has decided: it opens or refuses, and closes its descriptor right after. */
static __always_inline bool is_decided(struct sock *sk, struct tlshub_flow *f)
{
	struct tlshub_verdict *v = bpf_sk_storage_get(&verdicts, sk, 0, 0);

	return v && v->generation == f->generation && (v->flags & (TLSHUB_TX | VERDICT_REFUSE));
}

static __noinline int hold_closing(struct sock *sk, struct tlshub_flow *f, struct tlshub_dup *dup, __u32 refs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tlshub_stop_key key;

	/*
	 * This descriptor and the agent's; a call of the agent's under way counts as one more. Or the program has another one (a server
	 * that forks, and closes what its child goes on with): while the agent works on it, which may take long, that is assumed.
	 */
	if (refs < 2 || refs > (is_decided(sk, f) ? 3 : 2))
		return 0;
	if ((task->flags & PF_IO_WORKER) || !may_be_stopped(task) || !can_continue(bpf_ktime_get_ns()))
		return 0;
	dup->stop_tgid = task->tgid;
	__sync_fetch_and_add(&dup->stops, 1);
	if (!note_stop(f, &key) || !send_stop(&key, false))
		return 0;
	if (!bpf_map_lookup_elem(&dups, &key.cookie) || !is_noted(&key))
		undo_stop(&key);
	return 0;
}

/*
 * A descriptor is being closed, by close(), dup2(), exec or exit. This function is on that path on every kernel; filp_close() no longer
 * is from 6.6 on (commit 021a160abf62).
 */
SEC("fentry/locks_remove_posix")
int BPF_PROG(descriptor_close, struct file *file)
{
	struct tlshub_owner owner;
	struct tlshub_event e;
	struct tlshub_flow *f;
	struct tlshub_dup *dup;
	struct socket *sock;
	struct sock *sk;
	__u64 cookie;
	__u32 refs;

	if ((file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return 0;
	sock = bpf_sock_from_file(file);
	if (!sock)
		return 0;
	sk = sock->sk;
	if (!sk || !is_inet_family(sk->__sk_common.skc_family))
		return 0;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f || f->flow_class != CLASS_MESH)
		return 0;
	cookie = f->cookie;
	dup = bpf_map_lookup_elem(&dups, &cookie);
	if ((!dup && is_secured(f)) || is_agent(bpf_get_current_task_btf()))
		return 0;
	refs = references(file);
	/* Only the last descriptor's end matters, and of a refused flow not even that: dup() and close() in a loop are nothing to tell of. */
	if (!is_secured(f) && !f->refused && refs <= 2 &&
	    may_tell_again(f, bpf_get_current_cgroup_id(), false)) {
		current_owner(&owner, sock, NULL);
		fill_event(&e, EVENT_CLOSING, f);
		fill_owner(&e, &owner);
		e.refs = refs;
		emit(ctx, &e);
	}
	return dup && is_watched(file) ? hold_closing(sk, f, dup, refs) : 0;
}

char _license[] SEC("license") = "GPL";
