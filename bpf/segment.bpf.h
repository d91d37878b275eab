/* SPDX-License-Identifier: GPL-2.0-only */
/* A TCP segment on its way into or out of a captured cgroup, as a cgroup_skb program finds it: from the network header on. */
#ifndef TLSHUB_SEGMENT_BPF_H
#define TLSHUB_SEGMENT_BPF_H

#include "policy.bpf.h"

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD

/* What such a program answers. */
enum { DROP = 0, PASS = 1 };

struct segment {
	struct tlshub_tuple tuple __attribute__((aligned(8)));
	__u32 seq;
	__u32 payload; /* bytes */
	__u8 flags;
};

/* 0: a TCP segment, read; 1: no TCP; -1: cannot tell, so treat it as data */
static __always_inline int read_segment(struct __sk_buff *skb, struct segment *seg)
{
	__u32 transport, header;
	__be32 v4[2], seq;
	__be16 ports[2];
	__u8 b, proto;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, 0, &b, 1) || bpf_skb_load_bytes(skb, 9, &proto, 1) ||
		    bpf_skb_load_bytes(skb, 12, v4, 8))
			return -1;
		transport = (b & 0xf) * 4;
		map_v4(seg->tuple.local, v4[0]);
		map_v4(seg->tuple.remote, v4[1]);
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, 6, &proto, 1) ||
		    bpf_skb_load_bytes(skb, 8, seg->tuple.local, 16) ||
		    bpf_skb_load_bytes(skb, 24, seg->tuple.remote, 16))
			return -1;
		transport = 40;
		/* a TCP segment behind extension headers (IPV6_RTHDR and the like) */
		if (proto == 0 || proto == 43 || proto == 44 || proto == 60)
			return -1;
	} else {
		return 1;
	}
	if (proto != IPPROTO_TCP)
		return 1;
	if (bpf_skb_load_bytes(skb, transport, ports, 4) || bpf_skb_load_bytes(skb, transport + 4, &seq, 4) ||
	    bpf_skb_load_bytes(skb, transport + 12, &b, 1) ||
	    bpf_skb_load_bytes(skb, transport + 13, &seg->flags, 1))
		return -1;
	seg->tuple.lport = bpf_ntohs(ports[0]);
	seg->tuple.rport = bpf_ntohs(ports[1]);
	header = transport + (b >> 4) * 4;
	seg->seq = bpf_ntohl(seq);
	seg->payload = skb->len > header ? skb->len - header : 0;
	return 0;
}

#endif
