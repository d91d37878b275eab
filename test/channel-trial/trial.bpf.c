// SPDX-License-Identifier: GPL-2.0-only
// The marker of version 2 in a sketch: sockops that write and read it as docs/CHANNEL.md says, a device on the way that loses or strips
// segments, and the iterator that gives listeners from before the callbacks' flag. trial.c asks it questions; the answers are in "notes".
#include "kernel.h"
#include "channel.h"
#include "trial.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TCP_SYN 0x02
#define TCP_ACK 0x10
#define ETH_HLEN 14

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct setting);
} setting SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} counters SEC(".maps"); /* 0: the epoch's next number; 1: notes so far */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NOTES);
	__type(key, __u32);
	__type(value, struct note);
} notes SEC(".maps");
struct flow {
	__u32 what, epoch, number, iss, marks, over, in_band;
};
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct flow);
} flows SEC(".maps");

static __always_inline struct setting *get_setting(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&setting, &zero);
}

/* One that several processors take at once, each another: the result of an atomic, which wants -mcpu=v3. */
static __always_inline __u32 take_number(__u32 which)
{
	__u32 *n = bpf_map_lookup_elem(&counters, &which);

	return n ? __sync_fetch_and_add(n, 1) : 0xffffffff;
}

static __always_inline struct note *new_note(__u32 kind)
{
	__u32 at = take_number(1);
	struct note *n = bpf_map_lookup_elem(&notes, &at);

	if (n) {
		n->kind = kind;
		n->ns = bpf_ktime_get_ns();
	}
	return n;
}

/* Apart, so that no address in the context is computed, which the verifier does not allow. */
static __noinline int ends6(struct bpf_sock_ops *ops, __u32 *local, __u32 *remote)
{
	local[0] = bpf_ntohl(ops->local_ip6[0]);
	local[1] = bpf_ntohl(ops->local_ip6[1]);
	local[2] = bpf_ntohl(ops->local_ip6[2]);
	local[3] = bpf_ntohl(ops->local_ip6[3]);
	remote[0] = bpf_ntohl(ops->remote_ip6[0]);
	remote[1] = bpf_ntohl(ops->remote_ip6[1]);
	remote[2] = bpf_ntohl(ops->remote_ip6[2]);
	remote[3] = bpf_ntohl(ops->remote_ip6[3]);
	return 0;
}

static __noinline int ends4(struct bpf_sock_ops *ops, __u32 *local, __u32 *remote)
{
	local[0] = local[1] = remote[0] = remote[1] = 0;
	local[2] = remote[2] = 0xffff;
	local[3] = bpf_ntohl(ops->local_ip4);
	remote[3] = bpf_ntohl(ops->remote_ip4);
	return 0;
}

static __always_inline void ends(struct bpf_sock_ops *ops, __u32 *local, __u32 *remote)
{
	if (ops->family == AF_INET6)
		ends6(ops, local, remote);
	else
		ends4(ops, local, remote);
}

static __always_inline int read_option(struct bpf_sock_ops *ops, struct channel_marker *m, __u8 len, __u64 flags)
{
	__u8 found[16] = {MARKER_KIND, 4, MARKER_EXID_HIGH, MARKER_EXID_LOW};
	int got = bpf_load_hdr_opt(ops, found, CHANNEL_SYN_BYTES, flags);

	__builtin_memset(m, 0, sizeof(*m));
	if (got > 0)
		channel_decode(m, found, len);
	return got;
}

/* What a SYN-ACK says: the checks of the SYN against what is seen here. */
static __always_inline int answer(struct bpf_sock_ops *ops, struct channel_marker *m)
{
	__u32 local[4], remote[4];
	struct channel_marker syn;
	struct setting *s = get_setting();
	__u8 header[40] = {};
	__u32 isn;
	int got = read_option(ops, &syn, CHANNEL_SYN_BYTES, BPF_LOAD_HDR_OPT_TCP_SYN);

	__builtin_memset(m, 0, sizeof(*m));
	if (got < 0)
		return got;
	if (!s || !syn.what)
		return 0;
	/* The SYN itself, TCP header on: -ENOSPC if it has more than was asked for. */
	got = bpf_getsockopt(ops, SOL_TCP, TCP_BPF_SYN, header, sizeof(header));
	if (got < 0 && got != -ENOSPC)
		return got;
	isn = channel_get(header + 4);
	ends(ops, local, remote);
	if (channel_check(remote, bpf_ntohl(ops->remote_port), isn) != syn.check_src)
		return 1;
	if (s->learns && !s->proven)
		return 3;
	m->what = channel_check(local, ops->local_port, 0) == syn.check_dst ? CHANNEL_DIRECT : CHANNEL_TRANSLATED;
	m->epoch = s->epoch;
	return 2;
}

static __always_inline bool goes_on(struct bpf_sock_ops *ops, struct flow *f)
{
	struct setting *s = get_setting();

	if (!s || f->over)
		return false;
	if (s->rule == RULE_FIRST_DATA)
		return true;
	/* The peer has acknowledged or sent data: its connection is made. */
	return ops->snd_una - f->iss <= 1 && !ops->data_segs_in;
}

static __always_inline void reserve(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct channel_marker m;
	struct setting *s;
	struct note *n;
	struct flow *f;
	int got;

	if (!ops->is_fullsock) {
		got = answer(ops, &m);
		n = new_note(NOTE_ANSWER);
		if (n) {
			n->result = got;
			n->what = m.what;
			n->arg = ops->args[0];
		}
		if (m.what) {
			got = bpf_reserve_hdr_opt(ops, CHANNEL_SYN_ACK_BYTES, 0);
			if (n && got)
				n->result = 1000 + got;
		}
		return;
	}
	if (!sk)
		return;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f)
		return;
	if (ops->state == 2 /* SYN_SENT */) {
		if (ops->total_retrans)
			return;
		got = bpf_reserve_hdr_opt(ops, CHANNEL_SYN_BYTES, 0);
	} else if (f->in_band && goes_on(ops, f)) {
		got = bpf_reserve_hdr_opt(ops, MARKER_LEN, 0);
	} else if (f->what && goes_on(ops, f)) {
		got = bpf_reserve_hdr_opt(ops, CHANNEL_ACK_BYTES, 0);
		s = get_setting();
		if (!got && ops->skb_len && s && s->rule == RULE_FIRST_DATA)
			f->marks = 4;
	} else {
		return;
	}
	if (got && (n = new_note(NOTE_NO_ROOM)))
		n->result = got;
}

static __always_inline void write(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	__u8 option[CHANNEL_SYN_BYTES];
	__u32 local[4], remote[4];
	struct channel_marker m = {};
	struct setting *s;
	struct note *n;
	struct flow *f;

	if (!ops->is_fullsock) {
		answer(ops, &m);
		if (!m.what)
			return;
		channel_encode(option, &m, CHANNEL_SYN_ACK_BYTES);
		bpf_store_hdr_opt(ops, option, CHANNEL_SYN_ACK_BYTES, 0);
		return;
	}
	if (!sk)
		return;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!f)
		return;
	if (ops->skb_tcp_flags & TCP_SYN) {
		f->iss = ops->snd_nxt ? ops->snd_nxt : 0;
		/* Of the header that is being made, since snd_nxt may be on already. */
		if (ops->skb_data + 20 <= ops->skb_data_end) {
			const __u8 *header = ops->skb_data;

			f->iss = channel_get(header + 4);
		}
		ends(ops, local, remote);
		m.what = CHANNEL_DIRECT;
		m.check_src = channel_check(local, ops->local_port, f->iss);
		m.check_dst = channel_check(remote, bpf_ntohl(ops->remote_port), 0);
		channel_encode(option, &m, CHANNEL_SYN_BYTES);
		bpf_store_hdr_opt(ops, option, CHANNEL_SYN_BYTES, 0);
		n = new_note(NOTE_SYN);
		if (n)
			n->result = ops->skb_data + 20 <= ops->skb_data_end;
		return;
	}
	if (f->in_band) {
		struct marker one = {MARKER_KIND, MARKER_LEN, {MARKER_EXID_HIGH, MARKER_EXID_LOW}, MARKER_VERSION, 2};

		bpf_store_hdr_opt(ops, &one, sizeof(one), 0);
		return;
	}
	if (!f->what || f->over)
		return;
	m.what = f->what;
	m.epoch = f->epoch;
	m.number = f->number;
	channel_encode(option, &m, CHANNEL_ACK_BYTES);
	bpf_store_hdr_opt(ops, option, CHANNEL_ACK_BYTES, 0);
	s = get_setting();
	if (s && s->rule == RULE_FIRST_DATA && ++f->marks >= 4)
		f->over = 1;
}

static __always_inline void established(struct bpf_sock_ops *ops, bool active)
{
	struct bpf_sock *sk = ops->sk;
	struct setting *s = get_setting();
	struct channel_marker m;
	struct note *n;
	struct flow *f;
	__u8 six[8] = {MARKER_KIND, 4, MARKER_EXID_HIGH, MARKER_EXID_LOW};
	int got, old;

	if (!sk || !s)
		return;
	got = read_option(ops, &m, active ? CHANNEL_SYN_ACK_BYTES : CHANNEL_ACK_BYTES, 0);
	/* What a reader of version 1 gets, which asks for six bytes. */
	old = bpf_load_hdr_opt(ops, six, MARKER_LEN, 0);
	f = bpf_sk_storage_get(&flows, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!f)
		return;
	if (active && m.what && m.epoch == s->epoch) {
		f->what = m.what;
		f->epoch = m.epoch;
		f->number = take_number(0);
		f->iss = ops->snd_nxt - 1;
	}
	/* After a SYN that was sent again, nothing is marked: a device may drop what is. */
	if (active && !f->what && !ops->total_retrans && s->learns) {
		f->in_band = 1;
		f->iss = ops->snd_nxt - 1;
	}
	if (!active)
		s->proven = got > 0;
	n = new_note(active ? NOTE_ACTIVE : NOTE_PASSIVE);
	if (!n)
		return;
	n->result = got;
	n->old = old;
	n->what = active ? f->what : m.what;
	n->epoch = active ? f->epoch : m.epoch;
	n->number = active ? f->number : m.number;
	n->client_port = active ? ops->local_port : bpf_ntohl(ops->remote_port);
	n->arg = ops->snd_una - f->iss;
	n->bytes = ops->skb_len;
	n->iss = ops->snd_nxt - 1;
	n->irs = ops->rcv_nxt - 1;
	n->retrans = ops->total_retrans;
}

SEC("sockops")
int on_sock_ops(struct bpf_sock_ops *ops)
{
	struct setting *s = get_setting();

	if (!s || !s->on)
		return 1;
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		if (ops->sk)
			bpf_sk_storage_get(&flows, ops->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		bpf_sock_ops_cb_flags_set(ops, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		bpf_sock_ops_cb_flags_set(ops, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		established(ops, true);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		established(ops, false);
		bpf_sock_ops_cb_flags_set(ops, 0);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		reserve(ops);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		write(ops);
		break;
	}
	return 1;
}

/* The marker's place, 0: there is none. What BPF adds begins at a multiple of four. */
static __noinline __u32 find_marker(struct __sk_buff *skb, __u32 tcp, __u32 b, __u8 *option)
{
	for (__u32 i = 0; i < 10; i++) {
		if (20 + i * 4 + MARKER_LEN > (b >> 4) * 4)
			return 0;
		if (bpf_skb_load_bytes(skb, tcp + 20 + i * 4, option, 4))
			return 0;
		if (option[0] == MARKER_KIND && option[2] == MARKER_EXID_HIGH && option[3] == MARKER_EXID_LOW)
			return tcp + 20 + i * 4;
	}
	return 0;
}

/* By words, of which it fills two, three or four. */
static __noinline int strip(struct __sk_buff *skb, __u32 tcp, __u32 at, __u32 words)
{
	__u32 old, nops = 0x01010101;

	for (__u32 i = 0; i < 4 && i < words; i++) {
		if (bpf_skb_load_bytes(skb, at + i * 4, &old, 4))
			return 0;
		bpf_skb_store_bytes(skb, at + i * 4, &nops, 4, 0);
		bpf_l4_csum_replace(skb, tcp + 16, old, nops, 4);
	}
	return 0;
}

/* The device on the way to the server (direction 0) and from it (1). */
static __always_inline int on_the_way(struct __sk_buff *skb, __u32 back)
{
	__u32 tcp, length, at, loss = 0;
	__u8 b, proto, flags, option[16] = {};
	struct setting *s = get_setting();
	struct note *n;
	__u16 total, ports[2];

	if (!s || !s->wire)
		return 0;
	if (skb->protocol == bpf_htons(0x0800)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &b, 1) || bpf_skb_load_bytes(skb, ETH_HLEN + 9, &proto, 1) ||
		    bpf_skb_load_bytes(skb, ETH_HLEN + 2, &total, 2))
			return 0;
		tcp = ETH_HLEN + (b & 0xf) * 4;
		length = bpf_ntohs(total) + ETH_HLEN;
	} else if (skb->protocol == bpf_htons(0x86dd)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN + 6, &proto, 1) || bpf_skb_load_bytes(skb, ETH_HLEN + 4, &total, 2))
			return 0;
		tcp = ETH_HLEN + 40;
		length = bpf_ntohs(total) + tcp;
	} else {
		return 0;
	}
	if (proto != IPPROTO_TCP || bpf_skb_load_bytes(skb, tcp, ports, 4) || bpf_skb_load_bytes(skb, tcp + 12, &b, 1) ||
	    bpf_skb_load_bytes(skb, tcp + 13, &flags, 1))
		return 0;
	n = new_note(NOTE_WIRE);
	if (!n)
		return 0;
	n->back = back;
	n->flags = flags;
	n->options = (b >> 4) * 4 - 20;
	n->bytes = length - tcp - (b >> 4) * 4;
	n->gso = skb->gso_size;
	n->length = skb->len - ETH_HLEN;
	n->client_port = bpf_ntohs(ports[back]);
	at = find_marker(skb, tcp, b, option);
	n->marker = at ? option[1] : 0;
	if (at && (s->strip & (flags & TCP_SYN ? back ? 2 : 1 : 4))) {
		strip(skb, tcp, at, (option[1] + 3) / 4);
		n->lost = 2;
	}
	if (flags & TCP_SYN)
		loss = back ? 1 : 0;
	else
		loss = back ? 3 : 2;
	if (s->lose[loss & 3]) {
		s->lose[loss & 3]--;
		n->lost = 1;
		return 2;
	}
	return 0;
}

SEC("tc")
int there(struct __sk_buff *skb)
{
	return on_the_way(skb, 0);
}

SEC("tc")
int back(struct __sk_buff *skb)
{
	return on_the_way(skb, 1);
}

char _license[] SEC("license") = "GPL";
