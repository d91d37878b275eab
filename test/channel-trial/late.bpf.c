// SPDX-License-Identifier: GPL-2.0-only
// Keeps the client's FIN on its way while "hold" says so: what late.c asks for. Bit 0: dropped as it leaves; bit 1: the same, as if the
// device were full; bit 2: dropped as it arrives.
#include "kernel.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PORT 7100
#define TCP_FIN 0x01

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} hold SEC(".maps"); /* 0: how; 1: dropped so far */

static __always_inline bool is_fin(struct __sk_buff *skb)
{
	__u16 port;
	__u8 b;

	if (skb->protocol != bpf_htons(0x0800) || bpf_skb_load_bytes(skb, 0, &b, 1))
		return false;
	if (bpf_skb_load_bytes(skb, (b & 0xf) * 4 + 2, &port, 2) || port != bpf_htons(PORT) ||
	    bpf_skb_load_bytes(skb, (b & 0xf) * 4 + 13, &b, 1))
		return false;
	return b & TCP_FIN;
}

static __always_inline __u32 holds(struct __sk_buff *skb, __u32 how)
{
	__u32 zero = 0, one = 1, *h = bpf_map_lookup_elem(&hold, &zero), *n = bpf_map_lookup_elem(&hold, &one);

	if (!h || !n || !(*h & how) || !is_fin(skb))
		return 0;
	__sync_fetch_and_add(n, 1);
	return *h & how;
}

SEC("cgroup_skb/egress")
int leaves(struct __sk_buff *skb)
{
	__u32 how = holds(skb, 3);

	return !how ? 1 : how & 2 ? 2 : 0;
}

SEC("cgroup_skb/ingress")
int arrives(struct __sk_buff *skb)
{
	return !holds(skb, 4);
}

char _license[] SEC("license") = "GPL";
