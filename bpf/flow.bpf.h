/* SPDX-License-Identifier: GPL-2.0-only */
/* What all program files need to know about a flow: who asks, what policy says, what the kernel encrypts, how to tell user space. */
#ifndef TLSHUB_FLOW_BPF_H
#define TLSHUB_FLOW_BPF_H

#include "policy.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

static __always_inline void count(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &which);

	if (n)
		*n += 1;
}

/* The agent's own calls pass. Task storage hangs on the thread group's leader: a pidfd names no other thread before 6.9. */
static __always_inline bool is_agent(struct task_struct *task)
{
	return bpf_task_storage_get(&agents, task->group_leader, 0, 0) != NULL;
}

static long look_at_scope(__u32 i, bool *within)
{
	*within = bpf_current_task_under_cgroup(&scopes, i) == 1;
	return *within;
}

/* Is the running program in a captured cgroup? About 10 ns a cgroup, so ask what is cheaper first. */
VERIFIED_ONCE int in_scope(void)
{
	struct tlshub_settings *s = get_settings();
	bool within = false;

	if (s)
		bpf_loop(s->scopes, look_at_scope, &within, 0);
	return within;
}

/*
 * An address says less than the route: with net.ipv4.conf.*.route_localnet, as kube-proxy sets it, packets from and to 127.0.0.0/8 do
 * leave the host. A connected socket has its route. One without (it was reset meanwhile) has had its answer before.
 */
static __always_inline bool is_stray_loopback(struct sock *sk, const struct tlshub_tuple *t)
{
	struct net_device *dev;

	if (!is_loopback(t->remote) && !is_loopback(t->local))
		return false;
	dev = BPF_CORE_READ(sk, sk_dst_cache, dev);
	return dev && !(BPF_CORE_READ(dev, flags) & IFF_LOOPBACK);
}

static __always_inline __u32 classify_socket(struct sock *sk, const struct tlshub_tuple *t, __u32 role)
{
	return is_stray_loopback(sk, t) ? CLASS_REFUSED : classify(t, role);
}

static __always_inline __u32 classify_unknown_socket(struct sock *sk, const struct tlshub_tuple *t)
{
	return is_stray_loopback(sk, t) ? CLASS_REFUSED : classify_unknown(t);
}

static __always_inline bool is_inet_family(unsigned short family)
{
	return family == AF_INET || family == AF_INET6;
}

/* The four-tuple of a kernel socket. A dual-stack socket that speaks IPv4 has mapped addresses already. */
static __always_inline void read_tuple(struct sock *sk, struct tlshub_tuple *t)
{
	if (sk->__sk_common.skc_family == AF_INET6) {
		BPF_CORE_READ_INTO(&t->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&t->remote, sk, __sk_common.skc_v6_daddr);
	} else {
		map_v4(t->local, sk->__sk_common.skc_rcv_saddr);
		map_v4(t->remote, sk->__sk_common.skc_daddr);
	}
	t->lport = sk->__sk_common.skc_num;
	t->rport = bpf_ntohs(sk->__sk_common.skc_dport);
	t->pad = 0;
}

/*
 * Which directions the socket's own TLS layer encrypts: the truth the gate goes by. TLS_SW is 1 and TLS_HW 2 (net/tls.h);
 * TLS_BASE, the ULP without keys, is 0. Another ULP's data is no tls_context: look at the name first.
 */
VERIFIED_ONCE __u32 ulp_encrypts(unsigned long ulp_ops, unsigned long ulp_data)
{
	const struct tcp_ulp_ops *ops = (void *)ulp_ops;
	struct tls_context *tls = (void *)ulp_data;
	char name[4] = {};
	__u32 dirs = 0;

	if (!ops || !tls)
		return 0;
	bpf_core_read(name, sizeof(name), &ops->name);
	if (name[0] != 't' || name[1] != 'l' || name[2] != 's' || name[3])
		return 0;
	if (BPF_CORE_READ_BITFIELD_PROBED(tls, tx_conf))
		dirs |= TLSHUB_TX;
	if (BPF_CORE_READ_BITFIELD_PROBED(tls, rx_conf))
		dirs |= TLSHUB_RX;
	return dirs;
}

/* What TLS keeps of a socket; NULL if nothing is on top of its TCP. Another ULP's data is no such thing: the caller knows that it is TLS. */
static __always_inline struct tls_context *tls_of(struct tcp_sock *tp)
{
	struct tls_context *tls = NULL;

	bpf_core_read(&tls, sizeof(tls), &tp->inet_conn.icsk_ulp_data);
	return tls;
}

/* The same of what has come; NULL as long as TLS does not decrypt. */
static __always_inline struct tls_sw_context_rx *receiving_tls(struct tls_context *tls)
{
	struct tls_sw_context_rx *rx = NULL;

	bpf_core_read(&rx, sizeof(rx), &tls->priv_ctx_rx);
	return rx;
}

static __always_inline __u32 kernel_encrypts(struct tcp_sock *tp)
{
	unsigned long ops = 0, data = 0;

	bpf_core_read(&ops, sizeof(ops), &tp->inet_conn.icsk_ulp_ops);
	bpf_core_read(&data, sizeof(data), &tp->inet_conn.icsk_ulp_data);
	return ulp_encrypts(ops, data);
}

/* What TLS keeps of a socket whose sending side it encrypts; else NULL. */
static __always_inline struct tls_context *sending_tls(struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	return tp && (kernel_encrypts(tp) & TLSHUB_TX) ? tls_of(tp) : NULL;
}

/* Has a program left a record open (MSG_MORE)? */
static __always_inline bool keeps_record_open(struct tls_context *tls)
{
	bool open = false;

	bpf_core_read(&open, sizeof(open), &tls->pending_open_record_frags);
	return open;
}

/*
 * Notes that a call is let through of which nothing says that it is protected. It has yet to take the socket's lock, and who asks again
 * after this and still finds the reason standing knows that a connect() in between will find the note (at_connect() in events.bpf.c).
 */
static __always_inline void note_passed(struct tlshub_flow *f)
{
	if (f->passed)
		return;
	__sync_fetch_and_add(&f->passed,
			     1); /* an atomic: also a fence between what was stored and what is read next */
}

/* Were these directions seen to be encrypted in this generation of the flow? */
static __always_inline bool was_opened(const struct tlshub_flow *f, __u32 dirs)
{
	return f->generation && (!(dirs & TLSHUB_TX) || f->open_tx == f->generation) &&
	       (!(dirs & TLSHUB_RX) || f->open_rx == f->generation);
}

/* Is anything in the send queue, or was anything sent, that the agent did not write? Its own bytes are counted before they are queued. */
static __always_inline bool has_foreign_bytes(struct tcp_sock *tp, const struct tlshub_flow *f)
{
	return f->established_ns && (__s32)(tp->write_seq - (f->iss + 1) - f->agent_tx) > 0;
}

static __always_inline bool is_secured(const struct tlshub_flow *f)
{
	return was_opened(f, TLSHUB_TX | TLSHUB_RX);
}

static __always_inline void begin_event(struct tlshub_event *e, __u32 kind)
{
	__builtin_memset(e, 0, sizeof(*e));
	e->head.type = RECORD_EVENT;
	e->head.bytes = sizeof(*e);
	e->kind = kind;
	e->time_ns = bpf_ktime_get_ns();
}

static __noinline void fill_event(struct tlshub_event *e, __u32 kind, const struct tlshub_flow *f)
{
	begin_event(e, kind);
	e->generation = f->generation;
	e->cookie = f->cookie;
	e->created_ns = f->created_ns;
	e->established_ns = f->established_ns;
	e->fd = -1;
	e->role = f->role;
	e->flow_class = f->flow_class;
	e->reason = f->refused;
	e->iss = f->iss;
	e->irs = f->irs;
	e->cgroup = f->cgroup;
	e->peer_intent = f->peer_intent;
	e->epoch = f->epoch;
	e->number = f->number;
	e->what = f->what;
	e->tuple = f->tuple;
	/* One that was stopped has noticed it, whoever else slept. */
	e->hold = f->stop_many ? HOLD_STOP : f->sleeps ? HOLD_SLEEP : HOLD_NONE;
}

static __always_inline void fill_owner(struct tlshub_event *e, const struct tlshub_owner *o)
{
	e->tgid = o->tgid;
	e->fd = o->fd;
	e->inode = o->inode;
	e->start_boottime = o->start_boottime;
	__builtin_memcpy(e->comm, o->comm, sizeof(e->comm));
}

/* The process that runs now, as owner or caller. A socket that is being accepted has no file to tell its inode by, but `sock` has. */
static __always_inline void current_owner(struct tlshub_owner *o, struct socket *sock, struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();

	__builtin_memset(o, 0, sizeof(*o));
	o->fd = -1;
	o->tgid = task->tgid;
	/* Not by the pointer itself: to sleepable programs the leader is nobody they may look at. */
	o->start_boottime = BPF_CORE_READ(task, group_leader, start_boottime);
	bpf_get_current_comm(o->comm, sizeof(o->comm));
	if (sock)
		o->inode = BPF_CORE_READ(sock, file, f_inode, i_ino);
	else if (sk)
		o->inode = BPF_CORE_READ(sk, sk_socket, file, f_inode, i_ino);
}

/* Sends the event, and the rest of the record that it is the beginning of. */
static __always_inline void emit_record(void *ctx, struct tlshub_event *e, __u64 bytes)
{
	if (bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, e, bytes))
		count(COUNTER_EVENTS_LOST);
}

static __always_inline void emit(void *ctx, struct tlshub_event *e)
{
	emit_record(ctx, e, sizeof(*e));
}

#endif
