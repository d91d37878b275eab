// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways around the gate that programs could take by options of their sockets, or by sockets of other kinds: keys and raw bytes read out of a
 * secured socket, keys of their own, data that goes out before the gate has a say, protocols that carry data past the socket that is gated.
 */
#include "ending.bpf.h"
#include "open_record.bpf.h"
#include "sockets.bpf.h"

/*
 * TCP_ZEROCOPY_RECEIVE gives the receive queue's raw bytes to the program, by mapping or copying them, even under kTLS. SOL_TLS gives
 * out the traffic keys, which are the agent's to give and not the program's to have.
 *
 * The kernel asks here first and reads the program's own memory afterwards, which may take as long as the program likes (a page of a file
 * system of its own): meanwhile the socket may be connected to the mesh and secured, and then the call goes on with what is there by then.
 * So keys are refused whatever the socket is now, as TCP refuses a level that it does not know; and a read that is let through is noted,
 * as any other one, so that this socket never connects to the mesh.
 */
SEC("lsm/socket_getsockopt")
int BPF_PROG(socket_getsockopt, struct socket *sock, int level, int optname, int ret)
{
	struct tlshub_flow *f;
	struct sock *sk;

	if (ret || (level != SOL_TLS && (level != SOL_TCP || optname != TCP_ZEROCOPY_RECEIVE)))
		return ret;
	sk = sock->sk;
	if (!sk || !is_inet_family(sk->__sk_common.skc_family))
		return 0;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (level == SOL_TLS && optname == TLSHUB_ASK_UNSENT && is_agent(bpf_get_current_task_btf()))
		return has_unsent_records(sk) ? -EAGAIN : -ENOPROTOOPT;
	if (level == SOL_TLS && optname == TLSHUB_ASK_OPEN && is_agent(bpf_get_current_task_btf()))
		return ask_open_record(sk);
	if (level == SOL_TLS)
		return !is_agent(bpf_get_current_task_btf()) &&
				       ((f && f->flow_class == CLASS_MESH) || in_scope())
			       ? -ENOPROTOOPT
			       : 0;
	if (!f)
		return in_scope() ? -EOPNOTSUPP : 0;
	if (f->flow_class == CLASS_PLAINTEXT) {
		note_passed(f);
		if (*(volatile __u32 *)&f->flow_class == CLASS_PLAINTEXT)
			return 0;
	}
	return -EOPNOTSUPP;
}

/* What the kernel's numbers were when the agent set a key: user space compares them with what its handshake moved. */
static __always_inline void note_keyed(struct socket *sock, struct sock *sk, struct tlshub_flow *f,
				       int optname)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (!tp)
		return;
	if (optname == TLS_TX) {
		f->keyed_tx_off = tp->write_seq - (f->iss + 1);
		f->keyed |= TLSHUB_TX;
	} else if (optname == TLS_RX) {
		f->keyed_rx_off = tp->copied_seq - (f->irs + 1);
		/* In one segment with the last bytes of the handshake the peer's FIN is read with them, and counts as one. */
		if ((sk->__sk_common.skc_flags & (1 << SOCK_DONE)) && tp->copied_seq == tp->rcv_nxt)
			f->keyed_rx_off--;
		f->plain_splice_read = (__u64)BPF_CORE_READ(sock, ops, splice_read);
		f->keyed |= TLSHUB_RX;
	}
}

SEC("lsm/socket_setsockopt")
int BPF_PROG(socket_setsockopt, struct socket *sock, int level, int optname, int ret)
{
	struct sock *sk = sock->sk;
	struct tlshub_tuple tuple;
	struct tlshub_flow *f;
	unsigned char state;
	bool tls;

	if (ret || !sk)
		return ret;
	tls = level == SOL_TLS || (level == SOL_TCP && optname == TCP_ULP);
	if (!tls && !(level == SOL_TCP && (optname == TCP_REPAIR || optname == TCP_FASTOPEN_CONNECT)) &&
	    !(level == SOL_SOCKET && optname == SO_ZEROCOPY))
		return 0;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (is_agent(bpf_get_current_task_btf())) {
		if (f && f->flow_class == CLASS_MESH && level == SOL_TLS)
			note_keyed(sock, sk, f, optname);
		return 0;
	}
	/* A second key from the program would start the record sequence over, under the same or foreign keys. */
	if (f && f->flow_class == CLASS_MESH)
		return -EOPNOTSUPP;
	if (!is_inet_family(sk->__sk_common.skc_family) || sk->sk_type != SOCK_STREAM)
		return 0;
	state = sk->__sk_common.skc_state;
	if (f && f->flow_class == CLASS_PLAINTEXT && state != STATE_CLOSE && state != STATE_LISTEN)
		return 0;
	if (!in_scope())
		return 0;
	/*
	 * Asked for before connect() or of a listener, as programs do: they expect kernels without these, and do without. A ULP at that
	 * time is "smc", which takes the connection away from its socket.
	 */
	if (state == STATE_CLOSE || state == STATE_LISTEN)
		return -EOPNOTSUPP;
	/* A connection from elsewhere: the program's own keys would look like those of an earlier agent. */
	read_tuple(sk, &tuple);
	return classify_unknown_socket(sk, &tuple) == CLASS_PLAINTEXT ? 0 : -EOPNOTSUPP;
}

/* Says who asked for which kind of socket: there is no flow yet, nor an address. */
static __noinline void tell_refused_socket(void *ctx, int family, int protocol)
{
	struct tlshub_owner caller;
	struct tlshub_event e;

	count(COUNTER_SOCKETS_REFUSED);
	if (!may_tell_again(NULL, bpf_get_current_cgroup_id(), false))
		return;
	current_owner(&caller, NULL, NULL);
	begin_event(&e, EVENT_SOCKET_REFUSED);
	e.reason = REASON_SOCKET_KIND;
	fill_owner(&e, &caller);
	e.refs = family;
	e.wait_ms = protocol;
	emit(ctx, &e);
}

/* Programs that ask for more than TCP has fall back to it. */
SEC("lsm/socket_create")
int BPF_PROG(socket_create, int family, int type, int protocol, int kern, int ret)
{
	if (ret || kern || !is_forbidden_socket(family, type, protocol) || !in_scope())
		return ret;
	tell_refused_socket(ctx, family, protocol);
	return is_inet_family(family) || family == AF_NETLINK ? -EPROTONOSUPPORT : -EAFNOSUPPORT;
}

char _license[] SEC("license") = "GPL";
