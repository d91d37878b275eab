/* SPDX-License-Identifier: GPL-2.0-only */
/* What a call on a flow that is not open is answered, as a function of the flow and of what its socket and its caller are. */
#ifndef TLSHUB_ANSWER_BPF_H
#define TLSHUB_ANSWER_BPF_H

#include "opening.bpf.h"
#include "silence.bpf.h"
#include "stop.bpf.h"

/*
 * A level-triggered program is told "writable" and then EAGAIN, again and again, and burns a core for as long as the flow is held: what
 * makes a socket writable cannot be taken back from BPF. A handshake is over before that matters; but from SPIN_PATIENCE_NS on, such a
 * caller naps: it is stopped for NAP_NS after each SPIN_CALLS calls that came within SPIN_WINDOW_NS.
 */
#define SPIN_PATIENCE_NS (100 * 1000000ull)
#define SPIN_WINDOW_NS (50 * 1000000ull)
#define SPIN_CALLS 16
#define NAP_NS (25 * 1000000ull)

/* How a call waits: not at all if any bit of CALL_NONBLOCKING is set. */
enum call_kind {
	CALL_SHUTDOWN = 1,				/* has no EAGAIN that a program would understand */
	CALL_OF_FILE = 2,				/* comes by no program that could put it to sleep */
	CALL_NONBLOCKING = MSG_DONTWAIT | MSG_ERRQUEUE, /* the error queue is looked into without waiting */
};

/*
 * A socket without a connection. The kernel would say the same, but not at once: the call would first wait for the socket's lock, and
 * by then another thread may have connected it. What passed the gate here would be the first bytes of that connection.
 */
static __always_inline int unconnected(int sk_err, __u32 dirs)
{
	if (sk_err)
		return sk_err == ECONNREFUSED ? -ECONNREFUSED : -ECONNRESET;
	return dirs & TLSHUB_TX ? -EPIPE : -ENOTCONN;
}

static __always_inline bool is_spinning(struct tlshub_flow *f, __u64 now)
{
	if (now - f->first_held_ns < SPIN_PATIENCE_NS)
		return false;
	if (now - f->spin_since_ns > SPIN_WINDOW_NS) {
		f->spin_since_ns = now;
		f->spin_calls = 0;
	}
	if (++f->spin_calls < SPIN_CALLS)
		return false;
	f->spin_calls = 0;
	return true;
}

/* A call on a flow that is not open, and all that the answer to it depends on but the flow. */
struct call {
	__u32 dirs;
	__u32 kind;
	__u32 state;
	__s32 sk_err;
	__u32 rcv_nxt;
	__u32 unread;  /* in TCP's queue; the peer's FIN counts as one */
	__u32 done;    /* it has come */
	__u32 passed;  /* note_passed() came before the socket was looked at */
	__u32 verdict; /* of verdict_of() */
	__u32 may_be_stopped;
	__u32 io_worker;
	__u64 now;
	__u64 wait_ns; /* out: how long the caller may be stopped, 0: no limit of its own */
};

/* Above 0: a reason to refuse it, or what follows. Else what the call returns. */
enum answer {
	ANSWER_STAND = 256, /* its process stands still until the flow is decided */
	ANSWER_AGAIN,	    /* EAGAIN, and user space is told */
	ANSWER_NAP,	    /* the same, but its process stands still for a little while */
};

/*
 * A FIN and not one byte of the peer's program before it (health checks do that): an end of file is all there is to read, and nobody need vouch
 * for it. Either not one byte has come at all, or they were the handshake's, and none of them is left.
 */
static __always_inline bool only_eof(const struct tlshub_flow *f, const struct call *c)
{
	return c->dirs == TLSHUB_RX && f->established_ns && c->done &&
	       (c->rcv_nxt - f->irs == 2 || ((c->verdict & VERDICT_END) && c->unread <= 1));
}

/* Ended by the peer, which had sent nothing: there is its error to read. This 1 is the SYN. */
static __always_inline bool only_error(const struct tlshub_flow *f, const struct call *c)
{
	return c->dirs == TLSHUB_RX && f->established_ns && c->state == STATE_CLOSE &&
	       c->rcv_nxt - f->irs == 1;
}

/* May it go its way although nothing protects it? Then that is noted first, and the socket looked at again. */
VERIFIED_ONCE int would_pass(const struct tlshub_flow *f, const struct call *c)
{
	if (!f || !c)
		return false;
	return only_eof(f, c) || (only_error(f, c) && !f->refused && !(c->verdict & VERDICT_REFUSE));
}

static __always_inline void look_at(struct sock *sk, struct tcp_sock *tp, struct call *c)
{
	c->state = sk->__sk_common.skc_state;
	c->sk_err = sk->sk_err;
	c->rcv_nxt = tp->rcv_nxt;
	c->unread = tp->rcv_nxt - tp->copied_seq;
	c->done = sk->__sk_common.skc_flags & (1 << SOCK_DONE);
}

/* Fills in what is not known of the call yet: all but its directions and how it waits. */
static __always_inline void look_at_call(struct sock *sk, struct tcp_sock *tp, struct tlshub_flow *f,
					 struct call *c)
{
	struct task_struct *task = bpf_get_current_task_btf();

	c->verdict = verdict_of(sk, f);
	c->may_be_stopped = may_be_stopped(task);
	c->io_worker = task->flags & PF_IO_WORKER;
	c->now = bpf_ktime_get_ns();
	look_at(sk, tp, c);
	if (would_pass(f, c)) {
		note_passed(f);
		c->passed = true;
		look_at(sk, tp, c);
	}
}

VERIFIED_ONCE int answer_call(struct tlshub_flow *f, struct call *c)
{
	struct tlshub_settings *s = get_settings();
	bool closed, shutdown;

	if (!f || !c || !s)
		return -ECONNRESET;
	closed = c->state == STATE_CLOSE;
	shutdown = c->kind & CALL_SHUTDOWN;
	/*
	 * One that another thread connects at this moment counts as one without a connection: nobody could wait for a flow that has not begun, and
	 * the call might as well have come before that connect().
	 */
	if (!f->established_ns && (closed || c->state == STATE_LISTEN || !f->flow_class) && !f->refused)
		return shutdown ? 0 : unconnected(c->sk_err, c->dirs);
	if (shutdown && (f->refused || closed))
		return 0;
	if (c->passed && only_eof(f, c))
		return 0;
	/* REFUSED is sticky, and in TCP_CLOSE too: tcp_recvmsg() walks the receive queue before it looks at sk_err. */
	if (f->refused)
		return -ECONNRESET;
	if (c->verdict & VERDICT_REFUSE)
		return REASON_AGENT;
	if (closed) {
		/*
		 * Ended by the peer. If it had sent nothing there is an error to read; else nobody may read what is there, nor take
		 * what our handshake left of it for an end of file. A FIN alone was dealt with above.
		 */
		if (c->dirs & TLSHUB_TX)
			return unconnected(c->sk_err, c->dirs);
		if (c->passed && only_error(f, c))
			return 0;
		/*
		 * Writing is open, so reading is about to be, and what is queued came behind the handshake: the peer may answer what
		 * was written and end the connection before the agent is through. Or a reset came behind the peer's end, and the agent
		 * is about to say whether that end is all there is.
		 */
		if (!was_opened(f, TLSHUB_TX) && !(c->done && (c->verdict & VERDICT_CLAIMED)))
			return REASON_CLOSED;
	}
	if (f->hold_until_ns && c->now > f->hold_until_ns)
		return REASON_OVERDUE;

	if (!f->first_held_ns)
		f->first_held_ns = c->now;
	f->last_held_ns = c->now;
	__sync_fetch_and_add(&f->held_calls, 1);
	count(COUNTER_HELD_CALLS);

	if (c->kind & CALL_NONBLOCKING) {
		/* Who can be put to sleep naps there (sleep.bpf.c). */
		if (can_sleep(c->now) || !is_spinning(f, c->now) || c->io_worker || !c->may_be_stopped ||
		    !can_continue(c->now))
			return ANSWER_AGAIN;
		c->wait_ns = NAP_NS;
		return ANSWER_NAP;
	}
	/* Whoever can be put to sleep was, but for a call that came before its socket's connection had begun. */
	if (!f->established_ns && !f->sleeps && !shutdown && !(c->kind & CALL_OF_FILE) && can_sleep(c->now))
		return unconnected(c->sk_err, c->dirs);
	if (!c->may_be_stopped)
		return -EAGAIN;
	if (!can_continue(c->now))
		return REASON_NO_AGENT;
	if (is_silent(f, c->rcv_nxt)) {
		c->wait_ns = silence_left(f, s, c->now);
		if (!c->wait_ns) {
			note_silent(f, c->now);
			return REASON_SILENT_PEER;
		}
	}
	return ANSWER_STAND;
}

#endif
