// SPDX-License-Identifier: GPL-2.0-only
/* The policy of bpf/policy.bpf.h, and what the marker decides, by themselves, so that BPF_PROG_TEST_RUN can ask it: any kernel runs this, without LSM and cgroups. */
#include "marker.bpf.h"

#define ETH_HLEN 14

/* What test/bpf/classify.cc puts behind an Ethernet header. */
struct question {
  struct tlshub_tuple tuple;
  __u32 role;
};

/* classify, classify_connect and classify_unknown, four bits each. */
SEC("classifier")
int answer(struct __sk_buff* skb) {
  struct question q = {};

  if (bpf_skb_load_bytes(skb, ETH_HLEN, &q, sizeof(q))) return 0;
  return classify(&q.tuple, q.role) | classify_connect(&q.tuple) << 4 | classify_unknown(&q.tuple) << 8;
}

/* What this side makes of a flow, and what the peer's marker says. */
struct pair {
  __u32 class;
  __u32 peer;
};

/* The reason to refuse. */
SEC("classifier")
int compare(struct __sk_buff* skb) {
  struct pair p = {};

  if (bpf_skb_load_bytes(skb, ETH_HLEN, &p, sizeof(p))) return -1;
  return disagreement(p.class, p.peer);
}

char _license[] SEC("license") = "GPL";
