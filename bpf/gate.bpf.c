// SPDX-License-Identifier: GPL-2.0
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
#include "stop.bpf.h"
#include "traffic.bpf.h"

/* A process that stands still for nothing: never longer than silent_ns, less for peers that did it before, never less than this. */
#define SILENT_FLOOR_NS (50 * 1000000ull)
#define SILENT_FORGIVE_NS (60 * 1000000000ull)

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

static __noinline int refuse(void *ctx, struct tlshub_flow *f, __u32 reason)
{
	struct tlshub_owner caller;
	struct tlshub_event e;

	if (!f->refused) {
		f->refused = reason;
		count(COUNTER_REFUSED);
		current_owner(&caller, NULL);
		fill_event(&e, EVENT_REFUSED, f);
		fill_owner(&e, &caller);
		emit(ctx, &e);
	}
	return -ECONNRESET;
}

/* How long a blocking caller may stand still for this peer's first byte; halved for each time that it let one wait in vain. */
static __always_inline __u64 silent_limit(struct tlshub_flow *f, struct tlshub_settings *s, __u64 now)
{
	struct tlshub_silent_peer *p = bpf_map_lookup_elem(&silent_peers, f->tuple.remote);
	__u64 limit = s->silent_ns;

	if (p && now - p->last_ns < SILENT_FORGIVE_NS)
		limit >>= p->count & 31;
	return limit < SILENT_FLOOR_NS ? SILENT_FLOOR_NS : limit;
}

static __always_inline void note_silent(struct tlshub_flow *f, __u64 now)
{
	struct tlshub_silent_peer *p = bpf_map_lookup_elem(&silent_peers, f->tuple.remote),
				  n = {.last_ns = now, .count = 1};

	if (p && now - p->last_ns < SILENT_FORGIVE_NS)
		n.count = p->count < 20 ? p->count + 1 : p->count;
	bpf_map_update_elem(&silent_peers, f->tuple.remote, &n, BPF_ANY);
}

static __always_inline bool is_open(struct sock *sk, struct tcp_sock *tp, struct tlshub_flow *f, __u32 dir)
{
	struct tlshub_verdict *v;

	if (was_opened(f, dir))
		return true;
	v = bpf_sk_storage_get(&verdicts, sk, 0, 0);
	if (!v || v->generation != f->generation || !(v->flags & dir) || (v->flags & VERDICT_REFUSE))
		return false;
	if (!(kernel_encrypts(tp) & dir))
		return false;
	note_opening(sk, tp, f, dir);
	if (dir == TLSHUB_TX)
		f->open_tx = v->generation;
	else
		f->open_rx = v->generation;
	return true;
}

static __always_inline bool user_refused(struct sock *sk, struct tlshub_flow *f)
{
	struct tlshub_verdict *v = bpf_sk_storage_get(&verdicts, sk, 0, 0);

	return v && v->generation == f->generation && (v->flags & VERDICT_REFUSE);
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
 */
static __noinline int hold_blocking(struct sock *sk, struct tcp_sock *tp, struct tlshub_flow *f, __u32 dir)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tlshub_stop_key key = {.cookie = f->cookie, .tgid = task->tgid};
	struct tlshub_stop stop = {
		.start_boottime = task->group_leader->start_boottime,
		.since_ns = bpf_ktime_get_ns(),
	};

	/* Two processes that share the socket may come at the same time: from the second stop on, user space walks all records. */
	f->stop_tgid = key.tgid;
	__sync_fetch_and_add(&f->stop_many, 1);
	if (bpf_map_update_elem(&stops, &key, &stop, BPF_ANY))
		return -EAGAIN;
	if (bpf_send_signal_thread(SIGSTOP)) {
		bpf_map_delete_elem(&stops, &key);
		return -EAGAIN;
	}
	count(COUNTER_STOPS);
	if (f->refused || is_open(sk, tp, f, dir) || user_refused(sk, f) ||
	    !bpf_map_lookup_elem(&stops, &key)) {
		bpf_map_delete_elem(&stops, &key);
		bpf_send_signal(SIGCONT);
		count(COUNTER_STOP_RACES_UNDONE);
	}
	return -ERESTARTSYS;
}

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

static __noinline void tell_held(void *ctx, struct tlshub_flow *f, bool blocking, __u64 silent_ns)
{
	struct tlshub_owner caller;
	struct tlshub_event e;

	current_owner(&caller, NULL);
	if (f->held_tgid == caller.tgid && !blocking)
		return;
	f->held_tgid = caller.tgid;
	fill_event(&e, EVENT_HELD, f);
	fill_owner(&e, &caller);
	e.blocking = blocking;
	e.wait_ms = silent_ns / 1000000;
	emit(ctx, &e);
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
		return 0;
	if (is_open(sk, tp, f, dir))
		return 0;
	state = sk->__sk_common.skc_state;
	if (!f->established_ns && (state == STATE_CLOSE || state == STATE_LISTEN) && !f->refused)
		return kind == CALL_SHUTDOWN ? 0 : unconnected(sk, dir);
	if (kind == CALL_SHUTDOWN && (f->refused || state == STATE_CLOSE))
		return 0;
	if (dir == TLSHUB_RX && only_eof(sk, tp, f))
		return 0;
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
		if (tp->rcv_nxt - f->irs == 1)
			return 0;
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
		if (!is_spinning(f, now) || !may_be_stopped(task) || !can_continue(now)) {
			tell_held(ctx, f, false, 0);
			return -EAGAIN;
		}
		tell_held(ctx, f, true, NAP_NS);
		hold_blocking(sk, tp, f, dir);
		return -EAGAIN;
	}
	if (!may_be_stopped(task))
		return -EAGAIN;
	if (!can_continue(now))
		return refuse(ctx, f, REASON_NO_AGENT);
	if (f->role == ROLE_PASSIVE && tp->rcv_nxt - f->irs == 1) {
		silent = silent_limit(f, s, now);
		if (now - f->established_ns > silent) {
			note_silent(f, now);
			return refuse(ctx, f, REASON_SILENT_PEER);
		}
		silent -= now - f->established_ns;
	}
	tell_held(ctx, f, true, silent);
	return hold_blocking(sk, tp, f, dir);
}

/*
 * A TCP socket without flow state in the hands of a captured program: made before the agent or outside the captured cgroup, or its
 * state could not be allocated. If its kernel encrypts, an agent before us secured it. Else mesh addresses are refused.
 *
 * What policy lets go in plaintext gets no state: the cgroup's callbacks may not see this socket, so nothing would start the flow
 * over when it connects to somebody else.
 */
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
	fresh.flow_class = classify_unknown(&fresh.tuple);
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

	if (!f) {
		if (!is_inet_family(sk->__sk_common.skc_family) ||
		    (sk->sk_protocol != IPPROTO_TCP && sk->sk_protocol != IPPROTO_MPTCP) ||
		    sk->sk_type != SOCK_STREAM)
			return 0;
		return unknown(ctx, sk, dir);
	}
	if (was_opened(f, dir) || f->flow_class == CLASS_PLAINTEXT)
		return 0;
	return hold(ctx, sk, f, dir, kind);
}

static __always_inline long current_syscall(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	if (task->flags & (PF_KTHREAD | PF_IO_WORKER))
		return -1;
	return syscall_number(regs);
}

/*
 * io_uring sends without blocking, is told EAGAIN, polls, finds the socket writable, and after 128 rounds hands the request to a
 * worker that cannot be held and would fail it. So its submitter is held as a blocking caller is, and told EAGAIN.
 */
static __always_inline int gate_send(void *ctx, struct sock *sk, unsigned int flags)
{
	int err = gate(ctx, sk, TLSHUB_TX, flags & MSG_DONTWAIT ? CALL_NONBLOCKING : CALL_MAY_BLOCK);

	if (err == -EAGAIN && (flags & MSG_DONTWAIT) &&
	    current_syscall(bpf_get_current_task_btf()) == NR_io_uring_enter) {
		err = gate(ctx, sk, TLSHUB_TX, CALL_MAY_BLOCK);
		if (err == -ERESTARTSYS)
			err = -EAGAIN;
	}
	return err;
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
	err = gate_send(ctx, sk, msg->msg_flags);
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
	return gate(ctx, sk, TLSHUB_RX, flags & MSG_DONTWAIT ? CALL_NONBLOCKING : CALL_MAY_BLOCK);
}

/*
 * splice() both ways on every kernel and sendfile() before 6.5 reach neither of the two above. Every read and write of every file
 * on the machine passes here, so leave at once if this is no socket. io_uring's reads and writes do reach the two above,
 * with their own idea of blocking that is not known here.
 */
SEC("lsm/file_permission")
int BPF_PROG(file_permission, struct file *file, int mask, int ret)
{
	enum call_kind kind;
	struct socket *sock;
	struct sock *sk;

	if (ret || (file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return ret;
	sock = bpf_sock_from_file(file);
	if (!sock)
		return 0;
	sk = sock->sk;
	if (!sk || !is_inet_family(sk->__sk_common.skc_family))
		return 0;
	if (current_syscall(bpf_get_current_task_btf()) == NR_io_uring_enter)
		return 0;
	kind = file->f_flags & O_NONBLOCK ? CALL_NONBLOCKING : CALL_MAY_BLOCK;
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

static __always_inline struct tlshub_flow *mesh_flow(struct sock *sk)
{
	struct tlshub_flow *f = sk ? bpf_sk_storage_get(&flows, sk, 0, 0) : NULL;

	return f && f->flow_class == CLASS_MESH ? f : NULL;
}

/* It gives the receive queue's raw bytes to the program, by mapping or copying them, even under kTLS. */
SEC("lsm/socket_getsockopt")
int BPF_PROG(socket_getsockopt, struct socket *sock, int level, int optname, int ret)
{
	struct tlshub_flow *f;
	struct sock *sk;

	if (ret || level != SOL_TCP || optname != TCP_ZEROCOPY_RECEIVE)
		return ret;
	sk = sock->sk;
	if (!sk || !is_inet_family(sk->__sk_common.skc_family))
		return 0;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	return (f ? f->flow_class != CLASS_PLAINTEXT : in_scope()) ? -EOPNOTSUPP : 0;
}

/* What the kernel's numbers were when the agent set a key: user space compares them with what its handshake moved. */
static __always_inline void note_keyed(struct sock *sk, struct tlshub_flow *f, int optname)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (!tp)
		return;
	if (optname == TLS_TX) {
		f->keyed_tx_off = tp->write_seq - (f->iss + 1);
		f->keyed |= TLSHUB_TX;
	} else if (optname == TLS_RX) {
		f->keyed_rx_off = tp->copied_seq - (f->irs + 1);
		f->keyed |= TLSHUB_RX;
	}
}

SEC("lsm/socket_setsockopt")
int BPF_PROG(socket_setsockopt, struct socket *sock, int level, int optname, int ret)
{
	struct sock *sk = sock->sk;
	struct tlshub_flow *f;
	bool tls;

	if (ret || !sk)
		return ret;
	tls = level == SOL_TLS || (level == SOL_TCP && optname == TCP_ULP);
	if (!tls && !(level == SOL_TCP && (optname == TCP_REPAIR || optname == TCP_FASTOPEN_CONNECT)) &&
	    !(level == SOL_SOCKET && optname == SO_ZEROCOPY))
		return 0;
	f = mesh_flow(sk);
	if (is_agent(bpf_get_current_task_btf())) {
		if (f && level == SOL_TLS)
			note_keyed(sk, f, optname);
		return 0;
	}
	/* A second key from the program would start the record sequence over, under the same or foreign keys. */
	if (f && (tls || optname == TCP_REPAIR))
		return -EOPNOTSUPP;
	if (level == SOL_TLS || optname == TCP_REPAIR)
		return 0;
	/*
	 * Asked for before connect() or of a listener, as programs do: they expect kernels without these, and do without. A ULP at that
	 * time is "smc", which takes the connection away from its socket.
	 */
	if (f)
		return -EOPNOTSUPP;
	if (is_inet_family(sk->__sk_common.skc_family) && sk->sk_type == SOCK_STREAM &&
	    (sk->__sk_common.skc_state == STATE_CLOSE || sk->__sk_common.skc_state == STATE_LISTEN) &&
	    in_scope())
		return -EOPNOTSUPP;
	return 0;
}

/* MPTCP subflows, SMC and KCM carry data past the socket that is gated. Programs that ask for them fall back to TCP. */
SEC("lsm/socket_create")
int BPF_PROG(socket_create, int family, int type, int protocol, int kern, int ret)
{
	if (ret || kern)
		return ret;
	if (is_inet_family(family) && protocol == IPPROTO_MPTCP && in_scope())
		return -EPROTONOSUPPORT;
	if ((family == AF_SMC || family == AF_KCM) && in_scope())
		return -EAFNOSUPPORT;
	return 0;
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
