// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_uring. A request of it that is held can be told nothing but EAGAIN; then the kernel polls, finds the socket writable, or readable for
 * what the handshake has there, tries again without a pause, and after 128 rounds fails the request. So a process that uses io_uring
 * stands still as soon as it has a connection, before it can make a request on it. A socket that must not block is left alone: its
 * requests expect EAGAIN.
 */
#include "hold.bpf.h"

static __always_inline void hold_new(void *ctx, struct sock *sk, struct tlshub_flow *f)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tlshub_settings *s = get_settings();
	__u64 now = bpf_ktime_get_ns(), silent = 0;

	if (!task->io_uring || !tp || !s || f->flow_class != CLASS_MESH || f->refused || is_agent(task) ||
	    !may_be_stopped(task) || !can_continue(now))
		return;
	if (!f->established_ns) {
		silent = s->silent_ns;
	} else if (is_silent(f, tp->rcv_nxt)) {
		silent = silence_left(f, s, now);
		if (!silent)
			return;
	}
	if (!f->first_held_ns)
		f->first_held_ns = now;
	f->last_held_ns = now;
	__sync_fetch_and_add(&f->held_calls, 1);
	count(COUNTER_HELD_CALLS);
	tell_held(ctx, sk, f, true, silent);
	hold_blocking(sk, tp, f, TLSHUB_TX);
}

/* The end of connect(), and of io_uring's request to connect, which goes on by itself. */
SEC("fexit/__sys_connect_file")
int BPF_PROG(hold_connected, struct file *file, void *address, int addrlen, int file_flags, int ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tlshub_flow *f;
	struct socket *sock;
	struct sock *sk;

	if (!task->io_uring || (ret && ret != -EINPROGRESS) || (file->f_flags & O_NONBLOCK))
		return 0;
	sock = bpf_sock_from_file(file);
	if (!sock)
		return 0;
	sk = sock->sk;
	if (!sk)
		return 0;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (f)
		hold_new(ctx, sk, f);
	return 0;
}

/* A connection from a listener made outside the captured cgroup has its state by now only if its other hook was asked first. */
SEC("lsm/sock_graft")
int BPF_PROG(hold_accepted, struct sock *sk, struct socket *parent)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tlshub_flow *f;

	if (!task->io_uring)
		return 0;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (f)
		hold_new(ctx, sk, f);
	return 0;
}

char _license[] SEC("license") = "GPL";
