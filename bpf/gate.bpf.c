// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate. An application's byte is either still in the application, or encrypted: while a mesh flow is not secured, no call
 * of a program moves a byte through its socket, in either direction.
 *
 * A direction opens when user space has armed it for this generation of the flow AND the socket's own TLS layer says that
 * it encrypts that direction. A wrong verdict cannot leak, and since the kernel sets its bit before it looks at records
 * that are queued already, an edge-triggered reader's wake-up falls behind the opening, never in front of it. Once
 * seen, the opening is noted in the flow (`open_tx`, `open_rx`); keys never leave a socket, and a new connect starts the flow over.
 *
 * Until then: EAGAIN for who does not want to block, and for who does, hold_blocking(): today by stopping the process. Another way
 * of holding (a seccomp notification, which stops one thread only) takes that function's place and nothing else.
 *
 * All hooks are global LSM hooks, since sockets travel: by fork, by SCM_RIGHTS, by a listener made elsewhere. The first
 * instructions send everyone away whom it does not concern.
 */
#include "hold.bpf.h"

/*
 * A level-triggered program is told "writable" and then EAGAIN, again and again, and burns a core for as long as the flow is held: what
 * makes a socket writable cannot be taken back from BPF. A handshake is over before that matters; but from SPIN_PATIENCE_NS on, such a
 * caller naps: it is stopped for NAP_NS after each SPIN_CALLS calls that came within SPIN_WINDOW_NS.
 */
#define SPIN_PATIENCE_NS (100 * 1000000ull)
#define SPIN_WINDOW_NS (50 * 1000000ull)
#define SPIN_CALLS 16
#define NAP_NS (25 * 1000000ull)

enum call_kind {
	CALL_MAY_BLOCK,
	CALL_NONBLOCKING,
	CALL_SHUTDOWN, /* has no EAGAIN that a program would understand */
};

/*
 * A socket without a connection. The kernel would say the same, but not at once: the call would first wait for the socket's lock, and
 * by then another thread may have connected it. What passed the gate here would be the first bytes of that connection.
 */
static __always_inline int unconnected(struct sock *sk, __u32 dir)
{
	int err = sk->sk_err;

	/* Constants, since 6.12's verifier wants to see that an LSM program returns an errno. */
	if (err)
		return err == ECONNREFUSED ? -ECONNREFUSED : -ECONNRESET;
	return dir == TLSHUB_TX ? -EPIPE : -ENOTCONN;
}

/* A FIN and not one byte before it (health checks do that): an end of file is all there is to read, and nobody need vouch for it. */
static __always_inline bool only_eof(struct sock *sk, struct tcp_sock *tp, struct tlshub_flow *f)
{
	return f->established_ns && (sk->__sk_common.skc_flags & (1 << SOCK_DONE)) &&
	       tp->rcv_nxt - f->irs == 2;
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

/* Did the agent begin with this connection, and not with an earlier one of the same socket? */
static __always_inline bool is_claimed(struct sock *sk, struct tlshub_flow *f)
{
	struct tlshub_verdict *v = bpf_sk_storage_get(&verdicts, sk, 0, 0);

	return v && v->generation == f->generation;
}

static __noinline int hold(void *ctx, struct sock *sk, struct tlshub_flow *f, __u32 dir, enum call_kind kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tlshub_settings *s = get_settings();
	__u64 now = bpf_ktime_get_ns(), silent = 0;
	unsigned char state;

	if (!tp || !s)
		return -ECONNRESET;
	if (is_agent(task))
		return kind == CALL_SHUTDOWN || is_claimed(sk, f) ? 0 : -ECONNRESET;
	if (is_open(sk, tp, f, dir))
		return 0;
	state = sk->__sk_common.skc_state;
	if (!f->established_ns && (state == STATE_CLOSE || state == STATE_LISTEN) && !f->refused)
		return kind == CALL_SHUTDOWN ? 0 : unconnected(sk, dir);
	if (kind == CALL_SHUTDOWN && (f->refused || state == STATE_CLOSE))
		return 0;
	if (dir == TLSHUB_RX && only_eof(sk, tp, f)) {
		note_passed(f);
		if (only_eof(sk, tp, f))
			return 0;
	}
	/* REFUSED is sticky, and in TCP_CLOSE too: tcp_recvmsg() walks the receive queue before it looks at sk_err. */
	if (f->refused)
		return -ECONNRESET;
	if (user_refused(sk, f))
		return refuse(ctx, f, REASON_AGENT);
	if (state == STATE_CLOSE) {
		/*
		 * Ended by the peer. If it had sent nothing there is an error to read; else nobody may read what is there, nor take
		 * what our handshake left of it for an end of file. A FIN alone was dealt with above: this 1 is the SYN.
		 */
		if (dir == TLSHUB_TX)
			return unconnected(sk, dir);
		if (tp->rcv_nxt - f->irs == 1) {
			note_passed(f);
			return f->established_ns ? 0 : unconnected(sk, dir);
		}
		/*
		 * Writing is open, so reading is about to be, and what is queued came behind the handshake: the peer may answer what
		 * was written and end the connection before the agent is through.
		 */
		if (!was_opened(f, TLSHUB_TX))
			return refuse(ctx, f, REASON_CLOSED);
	}
	if (f->hold_until_ns && now > f->hold_until_ns)
		return refuse(ctx, f, REASON_OVERDUE);

	if (!f->first_held_ns)
		f->first_held_ns = now;
	f->last_held_ns = now;
	__sync_fetch_and_add(&f->held_calls, 1);
	count(COUNTER_HELD_CALLS);

	if (kind == CALL_NONBLOCKING) {
		if (!is_spinning(f, now) || (task->flags & PF_IO_WORKER) || !may_be_stopped(task) ||
		    !can_continue(now)) {
			tell_held(ctx, sk, f, false, 0);
			return -EAGAIN;
		}
		tell_held(ctx, sk, f, true, NAP_NS);
		hold_blocking(sk, tp, f, dir);
		return -EAGAIN;
	}
	if (!may_be_stopped(task))
		return -EAGAIN;
	if (!can_continue(now))
		return refuse(ctx, f, REASON_NO_AGENT);
	if (is_silent(tp, f)) {
		silent = silence_left(f, s, now);
		if (!silent) {
			note_silent(f, now);
			return refuse(ctx, f, REASON_SILENT_PEER);
		}
	}
	tell_held(ctx, sk, f, true, silent);
	if (!(task->flags & PF_IO_WORKER))
		return hold_blocking(sk, tp, f, dir);
	/* Its request fails in any case, but only when asking again is of use. */
	hold_blocking(sk, tp, f, dir);
	return -EAGAIN;
}

/*
 * A TCP socket without flow state in the hands of a captured program: made before the agent or outside the captured cgroup, or its
 * state could not be allocated. If its kernel encrypts, an agent before us secured it. Else mesh addresses are refused.
 *
 * What policy lets go in plaintext is asked about again each time: the cgroup's callbacks may not see this socket, so nothing would start
 * the flow over when it connects to somebody else. All that its state says is that a call has passed, which forbids_connect() goes by.
 */
static __always_inline bool is_only_noted(const struct tlshub_flow *f)
{
	return !f->flow_class && !f->followed;
}

static __noinline int unknown(void *ctx, struct sock *sk, __u32 dir)
{
	struct tlshub_flow fresh = {}, *f;
	struct tcp_sock *tp;
	__u32 encrypts = 0;

	if (!in_scope() || is_agent(bpf_get_current_task_btf()))
		return 0;
	if (sk->__sk_common.skc_state == STATE_LISTEN || !sk->__sk_common.skc_dport)
		return unconnected(sk, dir);
	read_tuple(sk, &fresh.tuple);
	if (classify_unknown_socket(sk, &fresh.tuple) == CLASS_PLAINTEXT) {
		f = bpf_sk_storage_get(&flows, sk, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
		if (!f) {
			count(COUNTER_STORAGE_FAILED);
			return -ECONNRESET;
		}
		note_passed(f);
		read_tuple(sk, &fresh.tuple);
	}
	fresh.flow_class = classify_unknown_socket(sk, &fresh.tuple);
	if (fresh.flow_class == CLASS_PLAINTEXT)
		return 0;
	fresh.cookie = bpf_get_socket_cookie(sk);
	fresh.generation = 1;
	fresh.created_ns = fresh.established_ns = bpf_ktime_get_ns();
	tp = bpf_skc_to_tcp_sock(sk);
	if (fresh.flow_class == CLASS_MESH && tp) {
		encrypts = kernel_encrypts(tp);
		fresh.open_tx = !!(encrypts & TLSHUB_TX);
		fresh.open_rx = !!(encrypts & TLSHUB_RX);
	}
	f = bpf_sk_storage_get(&flows, sk, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
	if (f && is_only_noted(f))
		__builtin_memcpy(f, &fresh, offsetof(struct tlshub_flow, passed));
	if (encrypts & dir)
		return 0;
	if (!f) {
		count(COUNTER_STORAGE_FAILED);
		return -ECONNRESET;
	}
	return refuse(ctx, f, REASON_UNSUPERVISED);
}

static __always_inline int gate(void *ctx, struct sock *sk, __u32 dir, enum call_kind kind)
{
	struct tlshub_flow *f = bpf_sk_storage_get(&flows, sk, 0, 0);

	if (!f || is_only_noted(f)) {
		if (wraps_tcp(sk->__sk_common.skc_family))
			return in_scope() ? -ECONNRESET : 0;
		if (!is_inet_family(sk->__sk_common.skc_family) ||
		    (sk->sk_protocol != IPPROTO_TCP && sk->sk_protocol != IPPROTO_MPTCP) ||
		    sk->sk_type != SOCK_STREAM)
			return 0;
		return unknown(ctx, sk, dir);
	}
	if (was_opened(f, dir))
		return 0;
	if (f->flow_class == CLASS_PLAINTEXT) {
		note_passed(f);
		if (*(volatile __u32 *)&f->flow_class == CLASS_PLAINTEXT)
			return 0;
	}
	return hold(ctx, sk, f, dir, kind);
}

static __always_inline long current_syscall(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	if (task->flags & (PF_KTHREAD | PF_IO_WORKER))
		return -1;
	return syscall_number(regs);
}

static __always_inline int gate_message(void *ctx, struct sock *sk, __u32 dir, unsigned int flags)
{
	return gate(ctx, sk, dir, flags & MSG_DONTWAIT ? CALL_NONBLOCKING : CALL_MAY_BLOCK);
}

/*
 * Bytes of the agent's handshake: the egress guard lets as many out. Also read back at install. If a byte that is not the agent's
 * is in the send queue, then those would be its first: such a flow is over, and the guard keeps what is queued.
 */
static __always_inline int count_agent_bytes(void *ctx, struct sock *sk, int size)
{
	struct tlshub_flow *f = bpf_sk_storage_get(&flows, sk, 0, 0);
	struct tcp_sock *tp;

	if (!f || f->flow_class != CLASS_MESH || was_opened(f, TLSHUB_TX) || size <= 0 ||
	    !is_agent(bpf_get_current_task_btf()))
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp && has_foreign_bytes(tp, f))
		return refuse(ctx, f, REASON_UNSUPERVISED);
	__sync_fetch_and_add(&f->agent_tx, size);
	return 0;
}

SEC("lsm/socket_sendmsg")
int BPF_PROG(socket_sendmsg, struct socket *sock, struct msghdr *msg, int size, int ret)
{
	struct sock *sk = sock->sk;
	int err;

	if (ret || !sk)
		return ret;
	/* Data on the SYN leaves before there can be keys. Programs expect that a kernel does not offer it. */
	if ((msg->msg_flags & MSG_FASTOPEN) && is_inet_family(sk->__sk_common.skc_family) &&
	    sk->sk_type == SOCK_STREAM && in_scope())
		return -EOPNOTSUPP;
	err = gate_message(ctx, sk, TLSHUB_TX, msg->msg_flags);
	if (err)
		return err;
	return count_agent_bytes(ctx, sk, size) ? -ECONNRESET : 0;
}

SEC("lsm/socket_recvmsg")
int BPF_PROG(socket_recvmsg, struct socket *sock, struct msghdr *msg, int size, int flags, int ret)
{
	struct sock *sk =
		sock->sk; /* read once: newer verifiers do not carry a NULL check over to a second read */

	if (ret || !sk)
		return ret;
	/* The error queue is looked into without waiting. */
	if (flags & MSG_ERRQUEUE)
		return gate(ctx, sk, TLSHUB_RX, CALL_NONBLOCKING);
	return gate_message(ctx, sk, TLSHUB_RX, flags);
}

/*
 * splice() both ways on every kernel and sendfile() before 6.5 reach neither of the two above. Every read and write of every file
 * on the machine passes here, so leave at once if this is no socket. io_uring's reads and writes do reach the two above,
 * with their own idea of blocking that is not known here.
 */
SEC("lsm/file_permission")
int BPF_PROG(file_permission, struct file *file, int mask, int ret)
{
	struct task_struct *task;
	enum call_kind kind;
	struct socket *sock;
	struct sock *sk;
	long nr;

	if (ret || (file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return ret;
	sock = bpf_sock_from_file(file);
	if (!sock)
		return 0;
	sk = sock->sk;
	if (!sk || !(is_inet_family(sk->__sk_common.skc_family) || wraps_tcp(sk->__sk_common.skc_family)))
		return 0;
	task = bpf_get_current_task_btf();
	nr = current_syscall(task);
	if (nr == NR_io_uring_enter)
		return 0;
	kind = file->f_flags & O_NONBLOCK ? CALL_NONBLOCKING : CALL_MAY_BLOCK;
	/* A request of io_uring that is tried again on the way out of any other call. */
	if (task->io_uring && nr >= 0 && !moves_file_bytes(nr))
		kind = CALL_NONBLOCKING;
	if (mask & MAY_WRITE)
		ret = gate(ctx, sk, TLSHUB_TX, kind);
	if (!ret && (mask & MAY_READ))
		ret = gate(ctx, sk, TLSHUB_RX, kind);
	return ret;
}

/*
 * Half a shutdown would end the handshake under way: its caller waits, blocking socket or not, since no program expects EAGAIN
 * here. A shutdown of both directions is a program that gives up: nothing of its was sent, and it goes through.
 */
SEC("lsm/socket_shutdown")
int BPF_PROG(socket_shutdown, struct socket *sock, int how, int ret)
{
	struct sock *sk = sock->sk;
	struct tlshub_flow *f;

	if (ret || !sk || how == SHUT_RDWR)
		return ret;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f || f->flow_class == CLASS_PLAINTEXT || is_secured(f))
		return 0;
	ret = hold(ctx, sk, f, TLSHUB_TX, CALL_SHUTDOWN);
	return ret == -ECONNRESET ? 0 : ret; /* refused: what is left is to let the program tidy up */
}

/*
 * Somebody else's SIGSTOP: such a process must not be continued by us. Only SIGSTOP is followed: the other stop signals can be ignored
 * or handled, and a process wrongly taken for stopped by its user would be left standing.
 */
SEC("tp_btf/signal_generate")
int BPF_PROG(signal_generate, int sig, void *info, struct task_struct *task)
{
	__u32 tgid = task->tgid;
	__u64 start;

	if (sig == SIGCONT) {
		bpf_map_delete_elem(&user_stops, &tgid);
	} else if (sig == SIGSTOP && (unsigned long)info != SEND_SIG_PRIV) {
		start = task->group_leader->start_boottime;
		bpf_map_update_elem(&user_stops, &tgid, &start, BPF_ANY);
	}
	return 0;
}

char _license[] SEC("license") = "GPL";
