/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A walk along a socket's receive queue, from one TLS record's header to the next. Headers lie where the network left them: in what follows
 * skb->data, in pages, in buffers of a buffer's list, or divided among these.
 *
 * No program of the gate's kinds has a helper that reads a buffer out of a queue, so pages are found as the kernel finds them.
 */
#ifndef TLSHUB_QUEUE_BPF_H
#define TLSHUB_QUEUE_BPF_H

#include "decrypted.bpf.h"

#define TLS_HEADER 5
#define TLS_MOST_PAYLOAD 16384

/* A step is a record's header, or a piece of memory that is passed over: enough for the default receive buffer of 6 MB full of whole records. */
#define MOST_STEPS 8192

#define PAGE_SHIFT 12

/* Where the kernel keeps its array of struct page, and where it maps the pages themselves: chosen anew at each boot (find_pages()). 0: not known */
unsigned long page_array, direct_map;

/* page_address(); 0: not known */
static __always_inline unsigned long page_address(unsigned long page)
{
	if (!page_array || !direct_map || page < page_array || (page & 1))
		return 0;
	return direct_map + ((page - page_array) / bpf_core_type_size(struct page) << PAGE_SHIFT);
}

/* A walk along sk_receive_queue from header to header. */
struct queue_walk {
	const void *end;
	struct sk_buff *skb;  /* of the queue */
	struct sk_buff *part; /* this one, or one of its frag_list; NULL: not begun */
	unsigned long at;     /* the piece of memory looked at, */
	__u32 left;	      /* and how much of it is left */
	__s32 piece;	      /* which is the next: -1 what follows skb->data, else the number of a page */
	__u32 drop;	      /* how much of this skb was read before */
	__u32 seq;	      /* TCP's number of the byte at `at` */
	__u32 available;      /* bytes of TCP from the next record on */
	__u32 skip;	      /* rest of the record looked at */
	__u32 bytes;	      /* result: what can be read */
	__u32 have;	      /* bytes of header collected */
	__u8 header[8];
};

static __always_inline struct sk_buff *next_of(struct sk_buff *skb)
{
	struct sk_buff *next = NULL;

	bpf_core_read(&next, sizeof(next), &skb->next);
	return next;
}

/* The next buffer of the queue; most lie within one record, and are passed over at once. Returns 1 if there is none. */
static __always_inline long begin_buffer(struct queue_walk *w)
{
	struct sk_buff *skb = w->skb;
	__u32 seq = 0, length = 0;

	if (!skb || skb == w->end)
		return 1;
	bpf_core_read(&seq, sizeof(seq), &((struct tcp_skb_cb *)skb->cb)->seq);
	bpf_core_read(&length, sizeof(length), &skb->len);
	w->drop = w->seq - seq;
	if ((__s32)w->drop < 0)
		return 1;
	length -= w->drop < length ? w->drop : length;
	if (length <= w->skip) {
		w->skip -= length;
		w->seq += length;
		w->skb = next_of(skb);
		return 0;
	}
	w->part = skb;
	w->piece = -1;
	return 0;
}

/* The buffer of the queue may have a list of further ones; those have none. */
static __always_inline void end_part(struct queue_walk *w, struct sk_buff *part,
				     struct skb_shared_info *shared)
{
	struct sk_buff *next = NULL;

	if (part == w->skb)
		bpf_core_read(&next, sizeof(next), &shared->frag_list);
	else
		next = next_of(part);
	w->part = next;
	w->piece = -1;
	if (!next)
		w->skb = next_of(w->skb);
}

struct piece {
	unsigned long at;
	__u32 length;
	__u32 pad;
};

/* What follows skb->data. */
static __always_inline void linear_piece(struct sk_buff *skb, struct piece *p)
{
	__u32 length = 0, paged = 0;

	bpf_core_read(&length, sizeof(length), &skb->len);
	bpf_core_read(&paged, sizeof(paged), &skb->data_len);
	bpf_core_read(&p->at, sizeof(p->at), &skb->data);
	p->length = length - paged;
}

static __always_inline void paged_piece(struct skb_shared_info *shared, __u32 i, struct piece *p)
{
	const char *frags = (const char *)shared + bpf_core_field_offset(shared->frags);
	unsigned long page = 0;
	__u32 offset = 0;

	if (bpf_core_type_exists(struct skb_frag)) {
		const struct skb_frag *frag = (void *)(frags + i * bpf_core_type_size(struct skb_frag));

		bpf_core_read(&page, sizeof(page), &frag->netmem);
		bpf_core_read(&p->length, sizeof(p->length), &frag->len);
		bpf_core_read(&offset, sizeof(offset), &frag->offset);
	} else {
		const struct bio_vec *frag = (void *)(frags + i * bpf_core_type_size(struct bio_vec));

		bpf_core_read(&page, sizeof(page), &frag->bv_page);
		bpf_core_read(&p->length, sizeof(p->length), &frag->bv_len);
		bpf_core_read(&offset, sizeof(offset), &frag->bv_offset);
	}
	p->at = page_address(page);
	if (p->at)
		p->at += offset;
}

/* Goes on to the next piece of memory. Returns 1 if there is none, or none that can be looked at. */
static __always_inline long next_piece(struct queue_walk *w)
{
	struct skb_shared_info *shared;
	struct sk_buff *part = w->part;
	unsigned char *head = NULL;
	struct piece p = {};
	__u32 end = 0;
	__u8 pages = 0;

	if (!part)
		return begin_buffer(w);
	bpf_core_read(&head, sizeof(head), &part->head);
	bpf_core_read(&end, sizeof(end), &part->end);
	shared = (struct skb_shared_info *)(head + end);
	bpf_core_read(&pages, sizeof(pages), &shared->nr_frags);
	if (w->piece >= pages) {
		end_part(w, part, shared);
		return 0;
	}
	if (w->piece < 0)
		linear_piece(part, &p);
	else
		paged_piece(shared, w->piece, &p);
	if (!p.at)
		return 1;
	w->piece++;
	if (w->drop >= p.length) {
		w->drop -= p.length;
		return 0;
	}
	w->at = p.at + w->drop;
	w->left = p.length - w->drop;
	w->drop = 0;
	return 0;
}

static __always_inline void pass(struct queue_walk *w, __u32 bytes)
{
	w->at += bytes;
	w->left -= bytes;
	w->seq += bytes;
}

/* Over what is left of the record, as far as this piece goes. */
static __always_inline void skip_in_piece(struct queue_walk *w)
{
	__u32 bytes = w->skip < w->left ? w->skip : w->left;

	w->skip -= bytes;
	pass(w, bytes);
}

static long walk_queue(__u32 i, struct queue_walk *w)
{
	__u32 length;

	if (!w->left)
		return next_piece(w);
	if (w->skip) {
		skip_in_piece(w);
		return 0;
	}
	/* A header mostly lies in one piece, but need not. */
	if (!w->have && w->left >= TLS_HEADER) {
		bpf_probe_read_kernel(w->header, TLS_HEADER, (const void *)w->at);
		w->have = TLS_HEADER;
		pass(w, TLS_HEADER);
	} else {
		if (w->have < TLS_HEADER)
			bpf_probe_read_kernel(&w->header[w->have & 7], 1, (const void *)w->at);
		w->have++;
		pass(w, 1);
	}
	if (w->have < TLS_HEADER)
		return 0;
	/* The true content type is within the encryption: all records of TLS 1.3 look like data, and anything else ends the connection. */
	length = TLS_HEADER + ((__u32)w->header[3] << 8 | w->header[4]);
	if (w->header[0] != TLS_APPLICATION_DATA || length < TLS13_RECORD_OVERHEAD ||
	    length > TLS13_RECORD_OVERHEAD + TLS_MOST_PAYLOAD || length > w->available)
		return 1;
	w->bytes += length - TLS13_RECORD_OVERHEAD;
	w->available -= length;
	w->skip = length - TLS_HEADER;
	w->have = 0;
	if (w->available < TLS13_RECORD_OVERHEAD)
		return 1;
	skip_in_piece(w);
	return 0;
}

/* Whole records in the receive queue, from this TCP number on. */
static __always_inline __u32 queued_bytes(struct sock *sk, __u32 seq, __u32 available)
{
	struct queue_walk first = {.end = &sk->sk_receive_queue, .seq = seq, .available = available}, w;

	bpf_core_read(&first.skb, sizeof(first.skb), &sk->sk_receive_queue.next);
	BEGIN_WALK(w, first);
	bpf_loop(MOST_STEPS, walk_queue, &w, 0);
	return w.bytes;
}

#endif
