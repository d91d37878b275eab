/* SPDX-License-Identifier: GPL-2.0-only */
/* What TLS has taken out of TCP's queue and no call has returned yet. */
#ifndef TLSHUB_DECRYPTED_BPF_H
#define TLSHUB_DECRYPTED_BPF_H

#include "flow.bpf.h"

#define TLS13_RECORD_OVERHEAD 22
#define TLS_APPLICATION_DATA 23
/*
 * Until 6.7 the verifier looks at a callback of bpf_loop() as it is called first, and takes out of it what it sees no way to by then. So it must not
 * know what a walk begins with: what comes from a helper can be anything.
 */
#define BEGIN_WALK(walk, first) bpf_probe_read_kernel(&(walk), sizeof(walk), &(first))

#define MOST_UNREAD_RECORDS 4096

struct decrypted {
	__u64 all;
	__u64 readable; /* up to the first record that is none of data: a plain read stops there */
};

/* A walk along rx_list. */
struct decrypted_walk {
	const void *end;
	struct sk_buff *skb;
	struct decrypted sum;
	__u32 stopped;
	__u32 pad;
};

static long add_decrypted_record(__u32 i, struct decrypted_walk *w)
{
	struct sk_buff *skb = w->skb;
	struct sk_skb_cb *cb;
	__u8 control = 0;
	__u32 length = 0;

	if (!skb || skb == w->end)
		return 1;
	cb = (struct sk_skb_cb *)skb->cb;
	bpf_core_read(&length, sizeof(length), &cb->strp.strp.full_len);
	bpf_core_read(&control, sizeof(control), &cb->tls.control);
	w->sum.all += length;
	if (control != TLS_APPLICATION_DATA)
		w->stopped = 1;
	if (!w->stopped)
		w->sum.readable += length;
	bpf_core_read(&w->skb, sizeof(w->skb), &skb->next);
	return 0;
}

static __always_inline struct decrypted decrypted_bytes(struct tls_sw_context_rx *rx)
{
	struct decrypted_walk first = {.end = &rx->rx_list}, w;

	bpf_core_read(&first.skb, sizeof(first.skb), &rx->rx_list.next);
	BEGIN_WALK(w, first);
	bpf_loop(MOST_UNREAD_RECORDS, add_decrypted_record, &w, 0);
	return w.sum;
}

static __always_inline __u32 copied_bytes(struct tls_sw_context_rx *rx)
{
	struct sk_buff *anchor = NULL;
	__u32 length = 0;

	if (!BPF_CORE_READ_BITFIELD_PROBED(rx, strp.copy_mode))
		return 0;
	bpf_core_read(&anchor, sizeof(anchor), &rx->strp.anchor);
	bpf_core_read(&length, sizeof(length), &anchor->len);
	return length;
}

#endif
