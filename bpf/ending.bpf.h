/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of a secured connection loses nothing.
 *
 * TLS takes a whole record from a program if TCP has any room at all, and hands TCP as much of it as fits. The rest waits in TLS for
 * acknowledgements. When the program lets go of the socket, TLS tries once more and then frees what TCP still does not take
 * (tls_sw_release_resources_tx() of net/tls/tls_sw.c), and the FIN goes out as if that had never been written.
 *
 * But in this last try TCP asks for its segment size before it looks whether it has room, and that calls sockops
 * (tcp_sendmsg_locked() or do_tcp_sendpages(), tcp_send_mss(), tcp_current_mss(), bpf_skops_hdr_opt_len(); 6.1 to 7.3). So the send buffer is
 * made large enough right then, under the socket's lock, and TCP takes all. It is the same for close(), exit, exec and SIGKILL, nobody
 * waits, and nobody can see it: the socket has no descriptor any more.
 */
#ifndef TLSHUB_ENDING_BPF_H
#define TLSHUB_ENDING_BPF_H

#include "flow.bpf.h"

/* More than the largest record costs the send buffer, one segment to a buffer of TCP's. */
#define ROOM_FOR_THE_END (64 * 1024)

/* The value to which TCP_NOTSENT_LOWAT is set then: that mark says no as well. */
#define NO_LOWAT 0x7fffffff

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
	if (tp->notsent_lowat != NO_LOWAT)
		bpf_setsockopt(ops, SOL_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
}

#endif
