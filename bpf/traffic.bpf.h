/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many bytes a program has sent and read on a connection, from what the kernel keeps anyway: nothing is counted per call.
 *
 * TCP counts what it carries, and under kTLS that is records. TLS 1.3 adds the same to each (RFC 8446, 5.2: 5 bytes of header, 1 of content
 * type, 16 of tag, with AES-GCM and ChaCha20-Poly1305 alike; the kernel adds no padding), and the record sequence says how many there were. So
 *
 *   sent     = bytes queued in TCP since TLS_TX - 22 * records
 *   received = bytes taken out of TCP since TLS_RX - 22 * records - what TLS has taken out and the program has not read
 *
 * where a retransmission is counted by neither. The tls_context goes before the connection does (tls_sk_proto_close), so the socket is measured
 * when its program lets go of it, at inet_release(), and what is left in TCP when it ends. Without kTLS TCP's numbers are the program's.
 */
#ifndef TLSHUB_TRAFFIC_BPF_H
#define TLSHUB_TRAFFIC_BPF_H

#include "decrypted.bpf.h"

static __noinline __u64 record_sequence(const void *cipher_context)
{
	const struct cipher_context___before_6_7 *before = cipher_context;
	const struct cipher_context___since_6_7 *since = cipher_context;
	__u64 sequence = 0;
	const char *at = NULL;

	if (bpf_core_field_exists(since->rec_seq))
		at = (const char *)since + bpf_core_field_offset(since->rec_seq);
	else if (bpf_core_field_exists(before->rec_seq))
		bpf_core_read(&at, sizeof(at), &before->rec_seq);
	bpf_probe_read_kernel(&sequence, sizeof(sequence), at);
	return bpf_be64_to_cpu(sequence);
}

/* The 64-bit counter nearest to `about` whose low half is `low`: sequence numbers are exact but 32 bits wide, counters count SYN and FIN. */
static __always_inline __u64 widen(__u64 about, __u32 low)
{
	return about - (__s64)(__s32)((__u32)about - low);
}

static __always_inline bool fin_queued(__u32 state)
{
	return state == STATE_FIN_WAIT1 || state == STATE_FIN_WAIT2 || state == STATE_CLOSING ||
	       state == STATE_LAST_ACK || state == STATE_TIME_WAIT;
}

/* What TLS has taken out of TCP that no call has returned: an incomplete record that it copied, and decrypted records not read to their end. */
static __always_inline __u64 unread_bytes(struct tls_context *tls)
{
	struct tls_sw_context_rx *rx = receiving_tls(tls);

	return rx ? copied_bytes(rx) + decrypted_bytes(rx).all : 0;
}

static __always_inline __u64 less(__u64 bytes, __u64 not_the_programs)
{
	return bytes > not_the_programs ? bytes - not_the_programs : 0;
}

/* Starts over if `t` is of an earlier connection of the socket. */
static __always_inline void begin_traffic(struct tlshub_traffic *t, const struct tlshub_flow *f)
{
	if (t->generation == f->generation)
		return;
	__builtin_memset(t, 0, sizeof(*t));
	t->generation = f->generation;
}

/* The gate is about to let the first call of these directions through: the records so far were the handshake's. */
static __always_inline void note_opening(struct sock *sk, struct tcp_sock *tp, const struct tlshub_flow *f,
					 __u32 dirs)
{
	struct tlshub_traffic *t = bpf_sk_storage_get(&traffic, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	struct tls_context *tls = tls_of(tp);

	if (!t || !tls)
		return;
	begin_traffic(t, f);
	if (dirs & TLSHUB_TX)
		t->tx_first = record_sequence(&tls->tx);
	if (dirs & TLSHUB_RX)
		t->rx_first = record_sequence(&tls->rx);
}

/* What account() goes by. */
struct tcp_numbers {
	__u64 bytes_received;
	__u64 bytes_acked;
	unsigned long ulp_ops;
	unsigned long ulp_data;
	__u32 rcv_nxt;
	__u32 copied_seq;
	__u32 snd_una;
	__u32 write_seq;
	__u32 state;
	__u32 done; /* the peer's FIN has come */
};

VERIFIED_ONCE int account(const struct tcp_numbers *tp, const struct tlshub_flow *f, struct tlshub_traffic *t)
{
	struct tls_context *tls;
	__u64 sent, received;
	bool fin, fin_read;

	if (!tp || !f || !t)
		return 0;
	begin_traffic(t, f);
	if (!f->established_ns)
		return 0;
	/* Nothing passes a gate that was never open. One that an earlier agent opened has keys, and the gate was not there to see when. */
	if (f->flow_class != CLASS_PLAINTEXT && f->keyed != (TLSHUB_TX | TLSHUB_RX)) {
		if (!f->open_tx && !f->open_rx)
			t->flags |= TRAFFIC_KNOWN;
		return 0;
	}
	if (fin_queued(tp->state))
		t->flags |= TRAFFIC_FIN;
	fin = t->flags & TRAFFIC_FIN;
	fin_read = tp->done && tp->copied_seq == tp->rcv_nxt;
	sent = widen(tp->bytes_acked + (__u32)(tp->write_seq - tp->snd_una),
		     tp->write_seq - (f->iss + 1) - fin);
	received = widen(tp->bytes_received - (__u32)(tp->rcv_nxt - tp->copied_seq),
			 tp->copied_seq - (f->irs + 1) - fin_read);
	if (f->flow_class == CLASS_PLAINTEXT) {
		t->bytes_sent = sent;
		t->bytes_received = received;
		t->flags |= TRAFFIC_KNOWN;
		return 0;
	}
	if (!(t->flags & TRAFFIC_RELEASED)) {
		if (ulp_encrypts(tp->ulp_ops, tp->ulp_data) != (TLSHUB_TX | TLSHUB_RX)) {
			t->flags &= ~TRAFFIC_KNOWN;
			return 0;
		}
		tls = (void *)tp->ulp_data;
		t->tx_records = record_sequence(&tls->tx);
		t->bytes_received = less(received, f->keyed_rx_off + unread_bytes(tls) +
							   TLS13_RECORD_OVERHEAD *
								   (record_sequence(&tls->rx) - t->rx_first));
		t->flags |= TRAFFIC_KNOWN;
	}
	t->bytes_sent = less(sent, f->keyed_tx_off + TLS13_RECORD_OVERHEAD * (t->tx_records - t->tx_first));
	return 0;
}

/* Brings `t` up to date. @state: that of TCP, or at TCP_CLOSE the one before */
static __noinline void measure(struct tcp_sock *tp, const struct tlshub_flow *f, struct tlshub_traffic *t,
			       __u32 state)
{
	struct tcp_numbers n = {
		.bytes_received = tp->bytes_received,
		.bytes_acked = tp->bytes_acked,
		.rcv_nxt = tp->rcv_nxt,
		.copied_seq = tp->copied_seq,
		.snd_una = tp->snd_una,
		.write_seq = tp->write_seq,
		.state = state,
		.done = ((struct sock *)tp)->__sk_common.skc_flags & (1 << SOCK_DONE),
	};

	bpf_core_read(&n.ulp_ops, sizeof(n.ulp_ops), &tp->inet_conn.icsk_ulp_ops);
	bpf_core_read(&n.ulp_data, sizeof(n.ulp_data), &tp->inet_conn.icsk_ulp_data);
	account(&n, f, t);
}

static __always_inline void fill_traffic(struct tlshub_event *e, const struct tlshub_traffic *t)
{
	e->bytes_sent = t->bytes_sent;
	e->bytes_received = t->bytes_received;
	e->traffic = t->flags;
}

#endif
