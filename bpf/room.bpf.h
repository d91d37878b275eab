/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A secured flow has room in TCP for what TCP keeps back.
 *
 * TLS asks before each record whether TCP has room, which it has not with a full send buffer or with as much unsent as TCP_NOTSENT_LOWAT says (the
 * program's, or its network namespace's), and if not, waits (tls_sw_sendmsg(), sk_stream_wait_memory()). TCP's own sendmsg() first sends what it has
 * kept back (wait_for_space in tcp_sendmsg_locked()); TLS does not. So if that alone leaves no room, nothing moves until TCP's timer sends it, 200 ms
 * for each record, or ever. It is
 *
 *   less than a segment behind MSG_MORE (sendfile() sends so);
 *   before Linux 6.5 also what splice() takes out of one pipe, of which nothing is sent before its end (MSG_SENDPAGE_NOTLAST).
 *
 * Both limits are looked at each time TCP asks for its segment size, which it does as it is given the first bytes of each record
 * (do_tcp_sendpages() or tcp_sendmsg_locked(), tcp_send_mss(), tcp_current_mss()): whoever has set them, and whenever. But before Linux 6.5 BPF cannot
 * set TCP's options of a socket with the ULP (sol_tcp_sockopt(): its setsockopt() is no longer TCP's). So there the mark is taken off while the connection is
 * being established, since neither this nor the end of a connection (ending.bpf.h) could do anything about it later.
 */
#ifndef TLSHUB_ROOM_BPF_H
#define TLSHUB_ROOM_BPF_H

#include "flow.bpf.h"

/* A pipe as sendfile() uses it, 16 pages, in records. */
#define PIPE_IN_RECORDS (4 * (16384 + 22))

/* What the send buffer pays for one of TCP's own buffers beside the bytes, at most; and for those that a pipe's records are in. */
#define BUFFER_OVERHEAD 2048
#define PIPE_OVERHEAD (4 * BUFFER_OVERHEAD)

/* No mark, as a number: it takes no more. */
#define NO_LOWAT 0x7fffffff

/* The mark in force. */
static __always_inline __u32 notsent_lowat(struct tcp_sock *tp)
{
	if (tp->notsent_lowat)
		return tp->notsent_lowat;
	return ((struct sock *)tp)->__sk_common.skc_net.net->ipv4.sysctl_tcp_notsent_lowat;
}

/* Splice by pages, and sockets whose options BPF cannot set: 6.1 has both, 6.12 neither. */
static __always_inline bool is_before_6_5(void)
{
	struct proto_ops___sendpage *ops = NULL;

	return bpf_core_field_exists(ops->sendpage);
}

/* A flow of the mesh has just been established: the ULP is not there yet. */
static __always_inline void take_lowat_off(struct bpf_sock_ops *ops, struct tcp_sock *tp)
{
	int lowat = NO_LOWAT;

	if (is_before_6_5() && notsent_lowat(tp) < NO_LOWAT)
		bpf_setsockopt(ops, SOL_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
}

static __always_inline void make_room_for_records(struct bpf_sock_ops *ops)
{
	struct tcp_sock *tp;
	int bytes, room, half;
	struct sock *s;

	if (!ops->sk)
		return;
	tp = bpf_skc_to_tcp_sock(ops->sk);
	if (!tp)
		return;
	s = (struct sock *)tp;
	bytes = tp->mss_cache;
	room = bytes + BUFFER_OVERHEAD;
	if (is_before_6_5())
		room += PIPE_IN_RECORDS + PIPE_OVERHEAD;
	if ((notsent_lowat(tp) >= (__u32)bytes && s->sk_sndbuf >= room) || !(kernel_encrypts(tp) & TLSHUB_TX))
		return;
	if (notsent_lowat(tp) < (__u32)bytes)
		bpf_setsockopt(ops, SOL_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
	half = (room + 1) >> 1; /* the kernel doubles it */
	if (s->sk_sndbuf < room)
		bpf_setsockopt(ops, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half));
}

#endif
