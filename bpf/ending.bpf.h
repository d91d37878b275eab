/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of a secured connection loses nothing.
 *
 * close()
 *
 * TLS takes a whole record from a program if TCP has any room at all, and hands TCP as much of it as fits. The rest waits in TLS for
 * acknowledgements. When the program lets go of the socket, TLS tries once more and then frees what TCP still does not take
 * (tls_sw_release_resources_tx() of net/tls/tls_sw.c), and the FIN goes out as if that had never been written.
 *
 * But in this last try TCP asks for its segment size before it looks whether it has room, and that calls sockops
 * (tcp_sendmsg_locked() or do_tcp_sendpages(), tcp_send_mss(), tcp_current_mss(), bpf_skops_hdr_opt_len(); 6.1 to 7.3). So the send buffer is
 * made large enough right then, under the socket's lock, and TCP takes all. It is the same for close(), exit, exec and SIGKILL, nobody
 * waits, and nobody can see it: the socket has no descriptor any more.
 *
 * shutdown()
 *
 * inet_shutdown() forbids further sending before TLS is asked for anything, and what TLS has then goes nowhere. The socket lives on, and BPF can
 * neither send nor change its buffer here. So whoever shuts the sending side while TLS has something stands still until the agent, by a
 * descriptor of its own, has made room for it and has seen it go (flush() of native/domain/flush.cc), which takes a moment and does not
 * depend on the peer. Then the call is made again, and the FIN comes behind the last byte.
 */
#ifndef TLSHUB_ENDING_BPF_H
#define TLSHUB_ENDING_BPF_H

#include "budget.bpf.h"
#include "room.bpf.h"
#include "stop.bpf.h"

/* More than the largest record costs the send buffer, one segment to a buffer of TCP's. */
#define ROOM_FOR_THE_END (64 * 1024)

/* An agent that cannot make room is asked so often; then the call takes its course, as it does without an agent. */
#define MOST_FLUSHES 8

/* Has TLS taken from the program what it has not given to TCP: an open record (MSG_MORE), or some of a closed one? */
static __noinline bool has_unsent_records(struct sock *sk)
{
	struct tls_context *tls = sending_tls(sk);
	struct tls_sw_context_tx *tx = NULL;
	struct list_head *first = NULL;
	void *partial = NULL;

	if (!tls)
		return false;
	bpf_core_read(&partial, sizeof(partial), &tls->partially_sent_record);
	if (partial || keeps_record_open(tls))
		return true;
	bpf_core_read(&tx, sizeof(tx), &tls->priv_ctx_tx);
	if (!tx)
		return false;
	bpf_core_read(&first, sizeof(first), &tx->tx_list.next);
	return first && first != &tx->tx_list;
}

static __always_inline bool is_ending_late(struct sock *sk)
{
	return sk->__sk_common.skc_state != STATE_CLOSE && !sk->sk_err && has_unsent_records(sk);
}

/*
 * Holds who shuts the sending side of a secured flow, if there is a reason to. The protocol is hold_blocking()'s: the record first, then the
 * signal, then another look. Returns what the call is answered; 0: it may take its course.
 */
static __noinline int hold_ending(void *ctx, struct socket *sock, struct sock *sk, struct tlshub_flow *f)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 now = bpf_ktime_get_ns();
	struct tlshub_stop_key key;
	struct tlshub_owner caller;
	struct tlshub_event e;

	/* `spin_calls` is of a flow that is held: nobody else counts by it any more. */
	if (!is_ending_late(sk) || f->spin_calls >= MOST_FLUSHES)
		return 0;
	/* Who can be put to sleep has slept (sleep.bpf.c). */
	if (can_sleep(now))
		return 0;
	if ((task->flags & PF_IO_WORKER) || !may_be_stopped(task) || !can_continue(now) ||
	    !may_tell_again(f, bpf_get_current_cgroup_id(), true))
		return 0;
	f->spin_calls++;
	if (!note_stop(f, &key))
		return 0;
	current_owner(&caller, sock, NULL);
	fill_event(&e, EVENT_ENDING, f);
	fill_owner(&e, &caller);
	emit(ctx, &e);
	if (!send_stop(&key, false))
		return 0;
	if (!has_unsent_records(sk) || !is_noted(&key))
		undo_stop(&key);
	return -ERESTARTSYS;
}

static __always_inline void make_room_for_the_end(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct tlshub_traffic *t;
	int room, lowat = NO_LOWAT;
	struct tcp_sock *tp;
	struct sock *s;

	if (!sk)
		return;
	t = bpf_sk_storage_get(&traffic, sk, 0, 0);
	if (!t || !(t->flags & TRAFFIC_RELEASED))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	s = (struct sock *)tp;
	room = s->sk_wmem_queued + ROOM_FOR_THE_END;
	/* The kernel doubles what it is given, and gives no more than twice net.core.wmem_max. */
	if (s->sk_sndbuf < room)
		bpf_setsockopt(ops, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	/* That mark says no as well. */
	if (tp->notsent_lowat != NO_LOWAT)
		bpf_setsockopt(ops, SOL_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
}

/*
 * A call that sends on a secured flow whose sending side is over. tls_sw_sendmsg() counts a record as sent that TCP has just refused, and takes TCP's
 * error off the socket: a program that goes on sending would be told of success each time, for ever. So TCP's answer comes from here, and the
 * signal that belongs to it (sk_stream_error(), net/core/stream.c). An error that is still there is TLS's to tell.
 */
static __always_inline int sends_no_more(struct sock *sk, int flags)
{
	struct tlshub_flow *f;

	if (!(sk->sk_shutdown & SEND_SHUTDOWN) || sk->sk_err)
		return 0;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f || f->flow_class != CLASS_MESH || !was_opened(f, TLSHUB_TX))
		return 0;
	if (!(flags & MSG_NOSIGNAL))
		bpf_send_signal_thread(SIGPIPE);
	return -EPIPE;
}

#endif
