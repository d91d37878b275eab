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
#include "answer.bpf.h"
#include "ending.bpf.h"
#include "hold.bpf.h"
#include "open_record.bpf.h"
#include "sockets.bpf.h"

/* Did the agent begin with this connection, and not with an earlier one of the same socket? */
static __always_inline bool is_claimed(struct sock *sk, struct tlshub_flow *f)
{
	struct tlshub_verdict *v = bpf_sk_storage_get(&verdicts, sk, 0, 0);

	return v && v->generation == f->generation;
}

static __noinline int hold(void *ctx, struct sock *sk, struct tlshub_flow *f, __u32 dirs, __u32 kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct call c = {.dirs = dirs, .kind = kind};
	long answer;
	bool told;
	int err;

	if (!tp)
		return -ECONNRESET;
	if (is_agent(task))
		return (kind & CALL_SHUTDOWN) || is_claimed(sk, f) ? 0 : -ECONNRESET;
	if (is_open(sk, tp, f, dirs))
		return 0;
	look_at_call(sk, tp, f, &c);
	answer = answer_call(f, &c);
	if (answer <= 0)
		return answer < -MAX_ERRNO ? -ECONNRESET : answer;
	if (answer < ANSWER_STAND)
		return refuse(ctx, f, answer);
	told = tell_held(ctx, sk, f, answer != ANSWER_AGAIN, c.wait_ns);
	/* Who naps is woken by the agent, which must know of it. */
	if (answer == ANSWER_AGAIN || (answer == ANSWER_NAP && !told))
		return -EAGAIN;
	err = hold_blocking(sk, tp, f, dirs);
	/* A worker's request fails in any case, but only when asking again is of use. */
	return answer == ANSWER_NAP || c.io_worker ? -EAGAIN : err;
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

static __noinline int unknown(void *ctx, struct sock *sk, __u32 dirs)
{
	struct tlshub_tuple tuple;
	struct tlshub_flow *f;
	struct tcp_sock *tp;
	__u32 encrypts = 0, class;

	if (!in_scope() || is_agent(bpf_get_current_task_btf()))
		return 0;
	if (sk->__sk_common.skc_state == STATE_LISTEN || !sk->__sk_common.skc_dport)
		return unconnected(sk->sk_err, dirs);
	read_tuple(sk, &tuple);
	class = classify_unknown_socket(sk, &tuple);
	f = bpf_sk_storage_get(&flows, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (f && class == CLASS_PLAINTEXT) {
		note_passed(f);
		read_tuple(sk, &tuple);
		class = classify_unknown_socket(sk, &tuple);
		if (class == CLASS_PLAINTEXT)
			return 0;
	}
	tp = bpf_skc_to_tcp_sock(sk);
	if (class == CLASS_MESH && tp)
		encrypts = kernel_encrypts(tp);
	if (f && is_only_noted(f)) {
		f->cookie = bpf_get_socket_cookie(sk);
		f->cgroup = bpf_get_current_cgroup_id();
		f->tuple = tuple;
		f->created_ns = f->established_ns = bpf_ktime_get_ns();
		f->open_tx = !!(encrypts & TLSHUB_TX);
		f->open_rx = !!(encrypts & TLSHUB_RX);
		f->generation = 1;
		/* With its class it is no longer only noted, so that comes last. Whoever sees them in another order finds a flow that is not open. */
		asm volatile("" ::: "memory");
		f->flow_class = class;
	}
	if ((encrypts & dirs) == dirs)
		return 0;
	if (!f) {
		count(COUNTER_STORAGE_FAILED);
		return -ECONNRESET;
	}
	return refuse(ctx, f, REASON_UNSUPERVISED);
}

static __always_inline int gate(void *ctx, struct sock *sk, __u32 dirs, __u32 kind)
{
	struct tlshub_flow *f = bpf_sk_storage_get(&flows, sk, 0, 0);
	unsigned short family;

	if (!f || is_only_noted(f)) {
		family = sk->__sk_common.skc_family;
		if (is_free_family(family) && family != AF_NETLINK)
			return 0;
		if (!is_inet_family(family) || !is_tcp(sk->sk_protocol))
			return is_forbidden_socket(family, sk->sk_type, sk->sk_protocol) && in_scope()
				       ? -ECONNRESET
				       : 0;
		if (sk->sk_type != SOCK_STREAM)
			return 0;
		return unknown(ctx, sk, dirs);
	}
	if (was_opened(f, dirs))
		return 0;
	if (f->flow_class == CLASS_PLAINTEXT) {
		note_passed(f);
		if (*(volatile __u32 *)&f->flow_class == CLASS_PLAINTEXT)
			return 0;
	}
	return hold(ctx, sk, f, dirs, kind);
}

/*
 * Bytes of the agent's handshake: the egress guard lets as many out. Also read back at install. If a byte that is not the agent's
 * is in the send queue, then those would be its first: such a flow is over, and the guard keeps what is queued.
 */
static __always_inline int count_agent_bytes(void *ctx, struct sock *sk, struct tlshub_flow *f, int size)
{
	struct tcp_sock *tp;

	if (size <= 0 || !is_agent(bpf_get_current_task_btf()))
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
	struct tlshub_flow *f;
	int err;

	if (ret || !sk)
		return ret;
	/* Data on the SYN leaves before there can be keys. Programs expect that a kernel does not offer it. */
	if ((msg->msg_flags & MSG_FASTOPEN) && is_inet_family(sk->__sk_common.skc_family) &&
	    sk->sk_type == SOCK_STREAM && in_scope())
		return -EOPNOTSUPP;
	err = gate(ctx, sk, TLSHUB_TX, msg->msg_flags & MSG_DONTWAIT);
	if (!err)
		err = sends_no_more(sk, msg->msg_flags);
	if (err)
		return err;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f || f->flow_class != CLASS_MESH)
		return 0;
	if (was_opened(f, TLSHUB_TX)) {
		follow_open_record(ctx, sk, f, msg->msg_flags & MSG_MORE);
		return 0;
	}
	return count_agent_bytes(ctx, sk, f, size) ? -ECONNRESET : 0;
}

SEC("lsm/socket_recvmsg")
int BPF_PROG(socket_recvmsg, struct socket *sock, struct msghdr *msg, int size, int flags, int ret)
{
	struct sock *sk =
		sock->sk; /* read once: newer verifiers do not carry a NULL check over to a second read */

	if (ret || !sk)
		return ret;
	return gate(ctx, sk, TLSHUB_RX, flags & CALL_NONBLOCKING);
}

/* MAY_WRITE and MAY_READ lie side by side, as TLSHUB_TX and TLSHUB_RX do. */
static __always_inline __u32 directions(int mask)
{
	return ((unsigned int)mask / MAY_WRITE) & (TLSHUB_TX | TLSHUB_RX);
}

VERIFIED_ONCE __u32 file_call_kind(unsigned int f_flags, int uses_io_uring, long nr)
{
	/* A request of io_uring that is tried again on the way out of any other call. */
	if (uses_io_uring && nr >= 0 && !moves_file_bytes(nr))
		return CALL_OF_FILE | CALL_NONBLOCKING;
	return CALL_OF_FILE | (f_flags & O_NONBLOCK ? CALL_NONBLOCKING : 0);
}

/*
 * What reaches neither of the two above: splice() out of a socket on every kernel, splice() into it and sendfile() before 6.5. Every read and
 * write of every file on the machine passes here, so leave at once if this is no socket. All else that moves bytes of a socket does reach
 * them (sock_read_iter(), sock_write_iter(), splice_to_socket()), and is theirs to answer: only there can a caller be put to sleep. So are
 * io_uring's reads and writes, with their own idea of blocking that is not known here.
 */
static __always_inline __u32 unasked(int mask, long nr)
{
	struct proto_ops___sendpage *ops = NULL;
	__u32 dirs = directions(mask);

	if (nr == NR_io_uring_enter || reads_or_writes(nr))
		return 0;
	return bpf_core_field_exists(ops->sendpage) ? dirs : dirs & ~TLSHUB_TX;
}

SEC("lsm/file_permission")
int BPF_PROG(file_permission, struct file *file, int mask, int ret)
{
	struct task_struct *task;
	struct socket *sock;
	struct sock *sk;
	__u32 dirs;
	long nr;
	int err;

	if (ret || (file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return ret;
	sock = bpf_sock_from_file(file);
	if (!sock)
		return 0;
	sk = sock->sk;
	if (!sk || is_free_family(sk->__sk_common.skc_family))
		return 0;
	task = bpf_get_current_task_btf();
	nr = current_syscall(task);
	dirs = unasked(mask, nr);
	if (!dirs)
		return 0;
	err = gate(ctx, sk, dirs, file_call_kind(file->f_flags, task->io_uring != NULL, nr));
	return !err && (dirs & TLSHUB_TX) ? sends_no_more(sk, 0) : err;
}

/*
 * Half a shutdown would end the handshake under way: its caller waits, blocking socket or not, since no program expects EAGAIN
 * here. A shutdown of both directions is a program that gives up: nothing of its was sent, and it goes through. On a secured flow either
 * one waits until all that was sent is in TCP's hands.
 */
SEC("lsm/socket_shutdown")
int BPF_PROG(socket_shutdown, struct socket *sock, int how, int ret)
{
	struct sock *sk = sock->sk;
	struct tlshub_flow *f;

	if (ret || !sk)
		return ret;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f || f->flow_class == CLASS_PLAINTEXT)
		return 0;
	/* That of the other direction is noted with the first call that reads. */
	if (was_opened(f, TLSHUB_TX))
		return how == SHUT_RD || is_agent(bpf_get_current_task_btf()) ? 0
									      : hold_ending(ctx, sock, sk, f);
	if (how == SHUT_RDWR)
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
