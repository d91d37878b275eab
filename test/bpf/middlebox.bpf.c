// SPDX-License-Identifier: GPL-2.0-only
// Devices on the way that do not like the marker (bpf/marker.bpf.h), as direct-action classifiers of tc: "strip" overwrites it with NOPs as
// firewalls do, "drop" drops every SYN that has it.
#include "kernel.h"
#include "marker.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TCP_FLAG_SYN 0x02
#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD
#define MAX_WORDS 10  // of options

enum { PASS = 0, DROP = 2 };

struct place {
  __u32 tcp;     // offset of the TCP header
  __u32 option;  // offset of the marker, 0: none
  __u8 flags;
};

static __always_inline void find(struct __sk_buff* skb, struct place* at) {
  __u8 b, proto, option[4];

  at->option = 0;
  if (skb->protocol == bpf_htons(ETH_P_IP)) {
    if (bpf_skb_load_bytes(skb, ETH_HLEN, &b, 1) || bpf_skb_load_bytes(skb, ETH_HLEN + 9, &proto, 1)) return;
    at->tcp = ETH_HLEN + (b & 0xf) * 4;
  } else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
    if (bpf_skb_load_bytes(skb, ETH_HLEN + 6, &proto, 1)) return;
    at->tcp = ETH_HLEN + 40;
  } else {
    return;
  }
  if (proto != IPPROTO_TCP || bpf_skb_load_bytes(skb, at->tcp + 12, &b, 1) ||
      bpf_skb_load_bytes(skb, at->tcp + 13, &at->flags, 1))
    return;
  // The kernel begins what BPF adds at a multiple of four.
  for (__u32 i = 0; i < MAX_WORDS; i++) {
    if (20 + i * 4 + MARKER_LEN > (b >> 4) * 4u) return;
    if (bpf_skb_load_bytes(skb, at->tcp + 20 + i * 4, option, 4)) return;
    if (option[0] != MARKER_KIND || option[1] != MARKER_LEN || option[2] != MARKER_EXID_HIGH ||
        option[3] != MARKER_EXID_LOW)
      continue;
    at->option = at->tcp + 20 + i * 4;
    return;
  }
}

SEC("strip")
int strip_marker(struct __sk_buff* skb) {
  __u32 old[2], nops[2] = {0x01010101, 0x01010101};
  struct place at;
  __s64 change;

  find(skb, &at);
  if (!at.option || bpf_skb_load_bytes(skb, at.option, old, sizeof(old))) return PASS;
  change = bpf_csum_diff(old, sizeof(old), nops, sizeof(nops), 0);
  bpf_skb_store_bytes(skb, at.option, nops, sizeof(nops), 0);
  bpf_l4_csum_replace(skb, at.tcp + 16, 0, change, 0);
  return PASS;
}

SEC("drop")
int drop_marked_syn(struct __sk_buff* skb) {
  struct place at;

  find(skb, &at);
  return at.option && (at.flags & TCP_FLAG_SYN) ? DROP : PASS;
}

char _license[] SEC("license") = "GPL";
