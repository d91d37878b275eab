// SPDX-License-Identifier: GPL-2.0-only
/* Events as the agent's programs emit them, one for each run of the program: the kernel runs it as often as it is told to (BPF_PROG_RUN). */
#include <bpf/bpf_helpers.h>

#include "../../bpf/tlshub.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} events SEC(".maps");

__u64 emitted;

SEC("tc")
int emit(struct __sk_buff* skb) {
  struct tlshub_event e = {};

  e.head.type = RECORD_EVENT;
  e.head.bytes = sizeof(e);
  e.kind = EVENT_ESTABLISHED;
  e.generation = 1;
  e.time_ns = bpf_ktime_get_ns();
  e.cookie = ++emitted;
  bpf_perf_event_output(skb, &events, BPF_F_CURRENT_CPU, &e, sizeof(e));
  return 0;
}

char _license[] SEC("license") = "GPL";
