/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A record that a program leaves open does not stay open for ever.
 *
 * With MSG_MORE TLS keeps what it was given in a record that the next bytes may still go into, until it is full or a call comes without the flag
 * (tls_sw_sendmsg()). TCP keeps back what MSG_MORE leaves as well, but for 200 ms at most (tcp_push(), tcp_check_probe_timer()), and programs count on
 * that: haproxy sends so whatever it does not know the end of. Nothing in the kernel closes such a record but a call on the socket. So the agent
 * makes one (native/domain/open_record.cc), and here is noted which sockets it has to look at, and when.
 *
 * A note says that a record may be open. What is so the kernel's tls_context says, and it is asked before anything is done. Calls are seen as they
 * begin, not as they end; so while another thread may be in one, a note is left for the agent to take away.
 */
#ifndef TLSHUB_OPEN_RECORD_BPF_H
#define TLSHUB_OPEN_RECORD_BPF_H

#include "room.bpf.h"
#include "traffic.bpf.h"

/*
 * The agent is told at most so often, for all sockets together: it then looks at all notes, 200 ms later, and so finds those too that were made in
 * between.
 */
#define TELL_OPEN_RECORDS_NS (TLSHUB_CORK_NS / 2)

/* The lowest bits of a mutex's owner are flags. */
#define MUTEX_FLAGS 7

/*
 * What TLSHUB_ASK_OPEN is answered. Who sends has tx_lock, also while it waits for room, and what it will leave open is not to be known yet.
 * Real-time kernels have another mutex.
 */
static __noinline int ask_open_record(struct sock *sk)
{
	struct tls_context *tls = sending_tls(sk);
	long owner = 0;

	if (!tls)
		return -ENOPROTOOPT;
	if (bpf_core_field_exists(tls->tx_lock.owner))
		bpf_core_read(&owner, sizeof(owner), &tls->tx_lock.owner.counter);
	if (owner & ~MUTEX_FLAGS)
		return -EBUSY;
	return keeps_record_open(tls) ? -EAGAIN : -ENOPROTOOPT;
}

static __noinline void tell_open_records(void *ctx)
{
	__u32 zero = 0;
	__u64 *told = bpf_map_lookup_elem(&open_records_told, &zero), now = bpf_ktime_get_ns();
	struct tlshub_event e;

	if (!told || now - *told < TELL_OPEN_RECORDS_NS)
		return;
	*told = now;
	begin_event(&e, EVENT_OPEN_RECORD);
	emit(ctx, &e);
}

/* Whose descriptor the agent is to take: the caller's, by the number that the connection came with. */
static __always_inline void note_caller(struct tlshub_open_record *note, struct sock *sk,
					struct task_struct *task)
{
	struct tlshub_owner *o = bpf_sk_storage_get(&owners, sk, 0, 0);

	note->tgid = task->tgid;
	/* Not by the pointer itself: to sleepable programs the leader is nobody they may look at. */
	note->start_boottime = BPF_CORE_READ(task, group_leader, start_boottime);
	note->inode = BPF_CORE_READ(sk, sk_socket, file, f_inode, i_ino);
	note->fd = o ? o->fd : -1;
}

/* A call that sends with MSG_MORE begins. Returns true if there was no note yet, which user space is to be told of. */
static __noinline bool note_open_record(struct sock *sk, struct tlshub_flow *f)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 cookie = f->cookie, now = bpf_ktime_get_ns(), sequence;
	struct tlshub_open_record note = {}, *known;
	struct tls_context *tls = sending_tls(sk);

	if (!tls)
		return false;
	sequence = record_sequence(&tls->tx);
	known = bpf_map_lookup_elem(&open_records, &cookie);
	if (known)
		note = *known;
	/* If another record is open than at the call before, then that call has opened it, or one after it. */
	if (!known || !keeps_record_open(tls))
		note.since_ns = now;
	else if (note.sequence != sequence)
		note.since_ns = note.called_ns;
	note.called_ns = now;
	note.sequence = sequence;
	if (known && note.tid != task->pid)
		note.shared = 1;
	note.tid = task->pid;
	if (note.tgid != task->tgid)
		note_caller(&note, sk, task);
	/* As a whole, not where it lies: the agent may be just taking it away, and then it is there again. */
	if (bpf_map_update_elem(&open_records, &cookie, &note, BPF_ANY))
		return false;
	f->open_record = 1;
	return !known;
}

static __always_inline void forget_open_record(struct tlshub_flow *f)
{
	__u64 cookie = f->cookie;

	f->open_record = 0;
	bpf_map_delete_elem(&open_records, &cookie);
}

static __always_inline bool has_room(struct sock *sk, struct tcp_sock *tp)
{
	return sk->sk_wmem_queued < sk->sk_sndbuf && tp->write_seq - tp->snd_nxt < notsent_lowat(tp);
}

/* A call without MSG_MORE begins: it closes the record, unless it finds no room and gives up. */
static __noinline void end_open_record(struct sock *sk, struct tlshub_flow *f)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tlshub_open_record *note;
	__u64 cookie = f->cookie;

	note = bpf_map_lookup_elem(&open_records, &cookie);
	if (!note)
		f->open_record = 0;
	else if (tp && has_room(sk, tp) && note->tid == bpf_get_current_task_btf()->pid && !note->shared)
		forget_open_record(f);
}

/* Each call that sends on a flow that is open. One that never uses MSG_MORE pays for two looks at what is at hand anyway. */
static __always_inline void follow_open_record(void *ctx, struct sock *sk, struct tlshub_flow *f, bool more)
{
	if (!more && f->open_record)
		end_open_record(sk, f);
	else if (more && note_open_record(sk, f))
		tell_open_records(ctx);
}

#endif
