/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has come and was not read yet. Under kTLS it lies in three places, in this order:
 *
 *   rx_list            decrypted records that were read in part, or peeked at
 *   strp.anchor        in copy mode (the receive buffer is small): a copy of the next record, or of the beginning of it
 *   sk_receive_queue   records as they came, from copied_seq on
 *
 * A record of TLS 1.3 is 22 bytes longer than what the program reads of it (RFC 8446, 5.2: 5 bytes of header, 1 of content type, 16 of tag, with
 * AES-GCM and ChaCha20-Poly1305 alike; the kernel adds no padding). Its length stands in its header, so who wants to know how many bytes
 * there are goes from header to header.
 *
 * Nobody holds the socket's lock here. The kernel's softirqs only append meanwhile; but TLS's worker, or another reader, may take away.
 */
#ifndef TLSHUB_UNREAD_BPF_H
#define TLSHUB_UNREAD_BPF_H

#include "decrypted.bpf.h"
#include "queue.bpf.h"

/* What one look at the three places gives, and by what it can be told whether somebody took something away meanwhile. */
struct look {
	__u32 bytes;
	__u32 copied_seq;
	__u32 copied;
	__u32 pad;
	void *first_decrypted;
};

static __always_inline void mark_look(struct look *l, struct tcp_sock *tp, struct tls_sw_context_rx *rx)
{
	l->copied_seq = *(volatile __u32 *)&tp->copied_seq;
	l->copied = copied_bytes(rx);
	bpf_core_read(&l->first_decrypted, sizeof(l->first_decrypted), &rx->rx_list.next);
}

/* Records that are not decrypted yet. The first may have been copied already; and TLS may have seen its header, so that nobody need look for it. */
static __noinline __u32 encrypted_bytes(struct sock *sk, struct tcp_sock *tp, struct tls_sw_context_rx *rx,
					struct look *l)
{
	__u32 available = *(volatile __u32 *)&tp->rcv_nxt - l->copied_seq;
	__u32 record = 0, rest, bytes = 0;

	if (BPF_CORE_READ_BITFIELD_PROBED(rx, strp.stopped))
		return 0;
	/* The peer's FIN has a number too. */
	if (available && (sk->__sk_common.skc_flags & (1 << SOCK_DONE)))
		available--;
	bpf_core_read(&record, sizeof(record), &rx->strp.stm.full_len);
	rest = record - l->copied;
	if (record) {
		if (record < TLS13_RECORD_OVERHEAD || record < l->copied || rest > available ||
		    BPF_CORE_READ_BITFIELD_PROBED(rx, strp.mark) != TLS_APPLICATION_DATA)
			return 0;
		bytes = record - TLS13_RECORD_OVERHEAD;
	} else if (l->copied) {
		return 0; /* not even a header */
	}
	if (available - rest < TLS13_RECORD_OVERHEAD)
		return bytes;
	return bytes + queued_bytes(sk, l->copied_seq + rest, available - rest);
}

static __noinline bool look_at_unread(struct sock *sk, struct tcp_sock *tp, struct tls_sw_context_rx *rx,
				      struct look *l)
{
	struct look after = {};

	mark_look(l, tp, rx);
	l->bytes = decrypted_bytes(rx).readable + encrypted_bytes(sk, tp, rx, l);
	mark_look(&after, tp, rx);
	return after.copied_seq == l->copied_seq && after.copied == l->copied &&
	       after.first_decrypted == l->first_decrypted;
}

/*
 * How many bytes a program can read now without waiting. What is not there as a whole record counts as nothing. Of more than the walk's
 * bounds, or of records in memory that cannot be looked at, a smaller number, but never 0 as long as a record is there that TLS knows of.
 */
static __noinline __u32 readable_bytes(struct sock *sk, struct tcp_sock *tp)
{
	struct tls_sw_context_rx *rx = receiving_tls(tls_of(tp));
	struct look l = {};
	int i;

	if (!rx)
		return 0;
	for (i = 0; i < 3; i++)
		if (look_at_unread(sk, tp, rx, &l))
			break;
	return l.bytes;
}

#endif
