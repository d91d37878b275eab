// SPDX-License-Identifier: GPL-2.0-only
// Devices on the way that do not like the marker (bpf/marker.bpf.h), whichever its version, as direct-action classifiers of tc: "strip" overwrites it
// with NOPs as firewalls do, "strip_syn", "strip_syn_ack" and "strip_rest" only in such segments; "drop" drops every SYN that has it.
#include "kernel.h"
#include "channel.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_ACK 0x10
#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD
#define MAX_WORDS 10  // of options

enum { PASS = 0, DROP = 2 };

struct place {
  __u32 tcp;     // offset of the TCP header
  __u32 option;  // offset of the marker, 0: none
  __u8 length;   // of it
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
    if (option[0] != MARKER_KIND || option[2] != MARKER_EXID_HIGH || option[3] != MARKER_EXID_LOW) continue;
    at->option = at->tcp + 20 + i * 4;
    at->length = option[1];
    return;
  }
}

static __always_inline bool is_whole(__u8 length) {
  return length == MARKER_LEN || length == CHANNEL_SYN_BYTES || length == CHANNEL_SYN_ACK_BYTES ||
         length == CHANNEL_ACK_BYTES;
}

// The first `bytes` of what begins with the marker, a multiple of four for the checksum: what lies behind the marker stays.
static __always_inline void overwrite(struct __sk_buff* skb, const struct place* at, __u32 bytes) {
  __u8 old[16], nops[16];
  __s64 change;

  if (bpf_skb_load_bytes(skb, at->option, old, bytes)) return;
  for (__u32 i = 0; i < bytes; i++) nops[i] = i < at->length ? 1 : old[i];
  change = bpf_csum_diff((__be32*)old, bytes, (__be32*)nops, bytes, 0);
  bpf_skb_store_bytes(skb, at->option, nops, bytes, 0);
  bpf_l4_csum_replace(skb, at->tcp + 16, 0, change, 0);
}

// Of segments whose flags, of these two, are `flags`; of all, if that is negative.
static __always_inline int strip(struct __sk_buff* skb, int flags) {
  struct place at;

  find(skb, &at);
  if (!at.option || !is_whole(at.length)) return PASS;
  if (flags >= 0 && (at.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) != flags) return PASS;
  if (at.length <= 8)
    overwrite(skb, &at, 8);
  else if (at.length <= 12)
    overwrite(skb, &at, 12);
  else
    overwrite(skb, &at, 16);
  return PASS;
}

SEC("strip")
int strip_marker(struct __sk_buff* skb) {
  return strip(skb, -1);
}

SEC("strip_syn")
int strip_syn_marker(struct __sk_buff* skb) {
  return strip(skb, TCP_FLAG_SYN);
}

SEC("strip_syn_ack")
int strip_syn_ack_marker(struct __sk_buff* skb) {
  return strip(skb, TCP_FLAG_SYN | TCP_FLAG_ACK);
}

SEC("strip_rest")
int strip_rest_marker(struct __sk_buff* skb) {
  return strip(skb, TCP_FLAG_ACK);
}

SEC("drop")
int drop_marked_syn(struct __sk_buff* skb) {
  struct place at;

  find(skb, &at);
  return at.option && (at.flags & TCP_FLAG_SYN) ? DROP : PASS;
}

char _license[] SEC("license") = "GPL";
