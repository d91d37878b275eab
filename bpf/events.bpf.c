// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connection events: where flow state begins and ends, and how user space learns of it.
 *
 * State is made in cgroup/connect (an error there refuses the connect: fail closed) and at PASSIVE_ESTABLISHED, and set
 * afresh at TCP_CONNECT: a socket can be disconnected by AF_UNSPEC and connect again, and what an earlier connection was
 * granted must not count for the next. The ESTABLISHED callbacks run before the program is woken, so the gate is shut
 * before the program can move a byte.
 */
#include "begin.bpf.h"
#include "budget.bpf.h"
#include "ending.bpf.h"
#include "room.bpf.h"
#include "open_record.bpf.h"
#include "marker.bpf.h"
#include "traffic.bpf.h"

static __always_inline struct tlshub_flow *followed_flow(struct bpf_sock *sk)
{
	struct tlshub_flow *f = bpf_sk_storage_get(&flows, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (f && !f->followed)
		f->followed = 1;
	return f;
}

/* A connect() that policy forbids fails at once, and user space hears who tried. */
static __noinline int refuse_connect(struct bpf_sock_addr *ctx, struct bpf_sock *sk, struct tlshub_flow *f,
				     __u32 reason)
{
	struct tlshub_owner *o = bpf_sk_storage_get(&owners, sk, 0, 0);
	struct tlshub_event e;

	f->refused = reason;
	count(COUNTER_REFUSED);
	bpf_set_retval(-ECONNREFUSED);
	if (!may_tell_again(NULL, f->cgroup, false))
		return 0;
	fill_event(&e, EVENT_REFUSED, f);
	if (o)
		fill_owner(&e, o);
	emit(ctx, &e);
	return 0;
}

static __always_inline int at_connect(struct bpf_sock_addr *ctx, const struct tlshub_tuple *tuple)
{
	const __u32 *w = (const __u32 *)tuple->remote;
	struct bpf_sock *sk = ctx->sk;
	struct tlshub_flow *f;
	struct tcp_sock *tp;
	__u32 class;

	if (ctx->type != SOCK_STREAM || ctx->protocol != IPPROTO_TCP || !sk)
		return 1;
	class = classify_connect(tuple);
	/* The unspecified address means loopback to connect(); TCP_CONNECT sees what the kernel made of it. */
	if (!w[0] && !w[1] && !w[3] && (!w[2] || w[2] == bpf_htonl(0xffff)))
		class = CLASS_PLAINTEXT;
	f = followed_flow(sk);
	if (!f) {
		count(COUNTER_STORAGE_FAILED);
		if (class == CLASS_PLAINTEXT)
			return 1;
		bpf_set_retval(-ENOMEM);
		return 0;
	}
	if (class == CLASS_PLAINTEXT)
		return 1;
	/*
	 * Keys of an earlier connection cannot be taken off a socket; a second connection under them would reuse nonces. And a call that was
	 * let through may be on its way to the socket's lock, which we have: it would move the first bytes of this connection. So what
	 * lets calls pass goes first, and the note that one did is read after it; the gate does both the other way round. Until TCP_CONNECT
	 * it takes this socket for one without a connection.
	 */
	f->established_ns = 0;
	f->flow_class = CLASS_NONE;
	__sync_fetch_and_add(&f->followed, 1); /* as a fence */
	tp = bpf_skc_to_tcp_sock(sk);
	if (class == CLASS_MESH && !f->passed && !(tp && kernel_encrypts(tp)))
		return 1;
	begin(f, bpf_get_socket_cookie(ctx), bpf_get_current_cgroup_id(), ROLE_ACTIVE, class);
	f->tuple = *tuple;
	return refuse_connect(ctx, sk, f, class == CLASS_MESH ? REASON_UNSUPPORTED : REASON_NOT_MESH);
}

/* The own address is there if the program has bound it. */
SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct tlshub_tuple tuple = {.rport = bpf_ntohs(ctx->user_port)};

	map_v4(tuple.remote, ctx->user_ip4);
	if (ctx->sk)
		map_v4(tuple.local, ctx->sk->src_ip4);
	return at_connect(ctx, &tuple);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct tlshub_tuple tuple = {.rport = bpf_ntohs(ctx->user_port)};
	__u32 remote[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
	struct bpf_sock *sk = ctx->sk;

	__builtin_memcpy(tuple.remote, remote, 16);
	if (sk) {
		__u32 local[4] = {sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]};

		__builtin_memcpy(tuple.local, local, 16);
	}
	return at_connect(ctx, &tuple);
}

static __noinline void announce(struct bpf_sock_ops *ops, struct bpf_sock *sk, __u32 kind,
				struct tlshub_flow *f)
{
	struct tlshub_owner *o;
	struct tlshub_event e;

	if (!may_tell(f->cgroup))
		return;
	fill_event(&e, kind, f);
	if (f->role == ROLE_ACTIVE) {
		o = bpf_sk_storage_get(&owners, sk, 0, 0);
		if (o)
			fill_owner(&e, o);
	}
	emit(ops, &e);
}

/* Adds to the flags that are there, and takes the one for options of segments away unless it is among those wanted. */
static __always_inline void follow(struct bpf_sock_ops *ops, __u32 flags)
{
	__u32 others = ops->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG;

	bpf_sock_ops_cb_flags_set(ops, others | BPF_SOCK_OPS_STATE_CB_FLAG | flags);
}

/* What follows for each kind of call is a function of its own, each with the stack to itself. */
static __noinline int on_connect(struct bpf_sock_ops *ops)
{
	struct tlshub_settings *s = get_settings();
	struct tlshub_tuple tuple;
	struct bpf_sock *sk = ops->sk;
	struct tlshub_flow *f;
	struct tcp_sock *tp;

	if (!sk)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	f = followed_flow(sk);
	if (!f || !tp) {
		count(COUNTER_STORAGE_FAILED); /* the egress guard goes by addresses and lets no data out */
		return 0;
	}
	read_tuple((struct sock *)tp, &tuple);
	begin(f, bpf_get_socket_cookie(ops), cgroup_of((struct sock *)tp), ROLE_ACTIVE,
	      classify_socket((struct sock *)tp, &tuple, ROLE_ACTIVE));
	f->tuple = tuple;
	if (f->flow_class == CLASS_MESH && (f->passed || kernel_encrypts(tp)))
		f->refused = REASON_UNSUPPORTED;
	f->intent = intent_when_connecting(f);
	follow(ops, f->intent ? BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG : 0);
	if (s && s->emit_connect && f->flow_class == CLASS_MESH)
		announce(ops, sk, EVENT_CONNECT, f);
	return 0;
}

static __noinline int on_established(struct bpf_sock_ops *ops, __u32 role)
{
	struct tlshub_settings *s = get_settings();
	struct tlshub_tuple tuple;
	struct bpf_sock *sk = ops->sk;
	struct tlshub_flow *f;
	struct tcp_sock *tp;

	if (!sk)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	f = followed_flow(sk);
	if (!f || !tp) {
		count(COUNTER_STORAGE_FAILED);
		return 0;
	}
	read_tuple((struct sock *)tp, &tuple);
	if (role == ROLE_PASSIVE || !f->created_ns)
		begin(f, bpf_get_socket_cookie(ops), cgroup_of((struct sock *)tp), role,
		      classify_socket((struct sock *)tp, &tuple, role));
	f->tuple = tuple;
	f->established_ns = bpf_ktime_get_ns();
	/* TCP has just measured how long our SYN-ACK took to be answered; the SYN itself was not ours to see. */
	if (role == ROLE_PASSIVE)
		f->created_ns = f->established_ns - (ops->srtt_us >> 3) * 1000ull;
	f->iss = ops->snd_nxt - 1;
	f->irs = ops->rcv_nxt - 1;
	/* The active side waits for its peer from now on; the passive side's time starts with accept(). */
	if (role == ROLE_ACTIVE && s)
		f->hold_until_ns = f->established_ns + s->hold_ns;
	heed_marker(ops, f);
	if (f->flow_class == CLASS_PLAINTEXT)
		count(COUNTER_PLAINTEXT_FLOWS);
	if (f->flow_class == CLASS_MESH)
		take_lowat_off(ops, tp);
	/* A listener's flag has come down to its connection, which has no marker to write. */
	f->said = role == ROLE_PASSIVE || !f->intent || ops->total_retrans;
	follow(ops, !f->said || f->flow_class == CLASS_MESH ? BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG : 0);
	announce(ops, sk, f->refused ? EVENT_REFUSED : EVENT_ESTABLISHED, f);
	return 0;
}

/* A connection to the mesh that was never made: user space is told why. */
static __always_inline bool was_wanted(const struct tlshub_flow *f, __u32 before)
{
	return f->flow_class == CLASS_MESH && f->role == ROLE_ACTIVE && !f->refused &&
	       before == STATE_SYN_SENT;
}

static __always_inline void fill_closed(struct tlshub_event *e, struct bpf_sock *sk, struct tlshub_flow *f,
					const struct tlshub_traffic *t, __u32 error)
{
	struct tlshub_owner *o = bpf_sk_storage_get(&owners, sk, 0, 0);

	fill_event(e, EVENT_CLOSED, f);
	e->refs = error;
	if (o)
		fill_owner(e, o);
	if (t)
		fill_traffic(e, t);
}

static __noinline int tell_closed(struct bpf_sock_ops *ops, struct bpf_sock *sk, struct tlshub_flow *f,
				  const struct tlshub_traffic *t, __u32 error)
{
	struct tlshub_secured *s = bpf_sk_storage_get(&secured, sk, 0, 0);
	struct tlshub_event e;

	if (s && s->generation == f->generation) {
		fill_closed(&s->closed, sk, f, t, error);
		s->closed.head.type = RECORD_LAST_EVENT;
		s->closed.head.bytes = sizeof(*s);
		if (may_tell(f->cgroup))
			emit_record(ops, &s->closed, sizeof(*s));
		return 0;
	}
	fill_closed(&e, sk, f, t, error);
	if (may_tell(f->cgroup))
		emit(ops, &e);
	return 0;
}

static __noinline int on_state(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct tlshub_traffic *t;
	struct tlshub_flow *f;
	struct tcp_sock *tp;
	__u32 error = 0;

	if (ops->args[1] != STATE_CLOSE || !sk)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f || !(f->established_ns || f->held_calls || was_wanted(f, ops->args[0])))
		return 0;
	t = bpf_sk_storage_get(&traffic, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!tp)
		t = NULL;
	if (t) {
		measure(tp, f, t, ops->args[0]);
		t->flags |= TRAFFIC_CLOSED;
	}
	/* refs of the event: what connect() says; of a connection that had been made, whether it was reset or timed out. */
	if (tp)
		error = BPF_CORE_READ((struct sock *)tp, sk_err);
	tell_closed(ops, sk, f, t, error);
	return 0;
}

SEC("sockops")
int on_sock_ops(struct bpf_sock_ops *ops)
{
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		on_connect(ops);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		on_established(ops,
			       ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB ? ROLE_ACTIVE : ROLE_PASSIVE);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		on_state(ops);
		break;
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		bpf_sock_ops_cb_flags_set(ops,
					  ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		if (ops->is_fullsock && ops->args[0] == BPF_WRITE_HDR_TCP_CURRENT_MSS) {
			make_room_for_the_end(ops);
			make_room_for_records(ops);
		}
		reserve_marker(ops);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		write_marker(ops);
		break;
	}
	return 1;
}

/*
 * The program's last descriptor is gone, and what TLS knows of the connection goes next. TCP's own end has mostly yet to come and its event
 * brings the final counts; but after a reset, or where both sides had sent their FINs, it came before the program had read everything.
 */
SEC("fentry/inet_release")
int BPF_PROG(socket_release, struct socket *sock)
{
	struct sock *sk = sock->sk;
	struct tlshub_traffic *t;
	struct tlshub_event e;
	struct tlshub_flow *f;
	struct tcp_sock *tp;

	if (!sk || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f || !f->established_ns)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	t = bpf_sk_storage_get(&traffic, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!tp || !t)
		return 0;
	measure(tp, f, t, sk->__sk_common.skc_state);
	t->flags |= TRAFFIC_RELEASED;
	if (f->open_record)
		forget_open_record(f);
	if (!(t->flags & TRAFFIC_CLOSED) || !may_tell(f->cgroup))
		return 0;
	fill_event(&e, EVENT_RELEASED, f);
	fill_traffic(&e, t);
	emit(ctx, &e);
	return 0;
}

char _license[] SEC("license") = "GPL";
