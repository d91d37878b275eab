// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who has a connection: the program that connects, and the one that accepts.
 *
 * Which descriptor a socket has is a hint put together from two hooks: fentry/fexit know the number, the LSM hooks know
 * the socket. Tracing programs can be skipped by recursion protection and io_uring has no such calls: then fd is -1 and
 * user space looks for the inode.
 */
#include "begin.bpf.h"
#include "budget.bpf.h"

static __always_inline struct call_hint *call_hint(bool create)
{
	return bpf_task_storage_get(&hints, bpf_get_current_task_btf(), 0,
				    create ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
}

SEC("fentry/__sys_connect")
int BPF_PROG(sys_connect, int fd)
{
	struct call_hint *h;

	if (!in_scope())
		return 0;
	h = call_hint(true);
	if (h)
		h->connect_fd = fd + 1; /* 0 is a descriptor too: 0 here means none */
	return 0;
}

/*
 * A socket made outside the captured cgroup, on which a captured program spoke in plaintext as policy allows (to itself, say), connects
 * again: to other than loopback it may not, since no callback would start the flow over. Whoever calls: a captured program's call may be
 * on its way to the socket's lock.
 */
static __noinline int forbids_connect(void *ctx, struct sock *sk, struct sockaddr *address)
{
	struct tlshub_flow *f = bpf_sk_storage_get(&flows, sk, 0, 0);
	struct tlshub_owner caller;
	struct tlshub_event e;
	struct {
		unsigned short family;
		__be16 port;
		__be32 v4;
		__u8 v6[16];
	} to = {};
	__u8 remote[16] __attribute__((aligned(8)));

	if (!f || f->followed || bpf_probe_read_kernel(&to, sizeof(to), address))
		return 0;
	if (!is_inet_family(to.family))
		return 0; /* AF_UNSPEC disconnects */
	if (to.family == AF_INET6)
		copy_address(remote, to.v6);
	else
		map_v4(remote, to.v4);
	if (is_loopback(remote))
		return 0;
	f->generation++;
	count(COUNTER_REFUSED);
	if (!may_tell_again(NULL, bpf_get_current_cgroup_id(), false))
		return 1;
	current_owner(&caller, NULL, NULL);
	fill_event(&e, EVENT_REFUSED, f);
	fill_owner(&e, &caller);
	e.role = ROLE_ACTIVE;
	e.flow_class = CLASS_REFUSED;
	e.reason = REASON_UNSUPERVISED;
	e.cookie = bpf_get_socket_cookie(sk);
	copy_address(e.tuple.remote, remote);
	e.tuple.rport = bpf_ntohs(to.port);
	emit(ctx, &e);
	return 1;
}

/* Who connects: known here, in process context; the ESTABLISHED callback runs in whatever context the SYN-ACK came in. */
SEC("lsm/socket_connect")
int BPF_PROG(socket_connect, struct socket *sock, struct sockaddr *address, int addrlen, int ret)
{
	struct sock *sk = sock->sk;
	struct tlshub_owner owner, *o;
	struct call_hint *h;

	if (ret)
		return ret;
	if (!sk || !is_inet_family(sk->__sk_common.skc_family) || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (forbids_connect(ctx, sk, address))
		return -ECONNREFUSED;
	if (!in_scope())
		return 0;
	current_owner(&owner, sock, NULL);
	h = call_hint(false);
	if (h) {
		owner.fd = h->connect_fd - 1;
		h->connect_fd = 0;
	}
	o = bpf_sk_storage_get(&owners, sk, &owner, BPF_SK_STORAGE_GET_F_CREATE);
	if (o)
		*o = owner;
	return 0;
}

SEC("fentry/__sys_accept4")
int BPF_PROG(sys_accept_enter, int fd)
{
	struct call_hint *h;

	if (!in_scope())
		return 0;
	h = call_hint(true);
	if (h) {
		h->accepting = 1;
		h->accepted.cookie = 0;
	}
	return 0;
}

/*
 * A connection gets its program. One from a listener that was made outside the captured cgroup (socket activation) has no
 * state yet, since the cgroup's callbacks never saw it: it is taken in here, before the program has its descriptor.
 */
SEC("lsm/sock_graft")
int BPF_PROG(sock_graft, struct sock *sk, struct socket *parent)
{
	struct tlshub_tuple tuple;
	struct tlshub_flow *f;
	struct tlshub_settings *s;
	struct tlshub_owner owner;
	struct tlshub_event e;
	struct tcp_sock *tp;
	struct call_hint *h;

	if (!is_inet_family(sk->__sk_common.skc_family) || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f) {
		if (!in_scope())
			return 0;
		f = bpf_sk_storage_get(&flows, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!f) {
			count(COUNTER_STORAGE_FAILED); /* the gate refuses a mesh socket without state */
			return 0;
		}
		read_tuple(sk, &tuple);
		begin(f, bpf_get_socket_cookie(sk), cgroup_of(sk), ROLE_PASSIVE,
		      classify_socket(sk, &tuple, ROLE_PASSIVE));
		f->tuple = tuple;
		f->established_ns = f->created_ns;
		/* Nobody has read or written yet, so both are where the connection began. */
		f->irs = tp->copied_seq - 1;
		f->iss = tp->write_seq - 1;
	}
	current_owner(&owner, parent, NULL);
	s = get_settings();
	f->hold_until_ns = bpf_ktime_get_ns() + (s ? s->hold_ns : 0);
	bpf_sk_storage_get(&owners, sk, &owner, BPF_SK_STORAGE_GET_F_CREATE);
	if (f->flow_class != CLASS_MESH || !may_tell(f->cgroup))
		return 0;
	fill_event(&e, EVENT_ACCEPTED, f);
	fill_owner(&e, &owner);
	h = call_hint(false);
	if (h && h->accepting)
		h->accepted = e; /* the descriptor's number follows at the call's end */
	else
		emit(ctx, &e);
	return 0;
}

SEC("fexit/__sys_accept4")
int BPF_PROG(sys_accept_exit, int fd, void *upeer, int *upeer_len, int flags, int ret)
{
	struct call_hint *h = call_hint(false);

	if (!h || !h->accepting)
		return 0;
	h->accepting = 0;
	if (h->accepted.cookie && ret >= 0) {
		h->accepted.fd = ret;
		h->accepted.time_ns = bpf_ktime_get_ns();
		emit(ctx, &h->accepted);
	}
	return 0;
}

char _license[] SEC("license") = "GPL";
