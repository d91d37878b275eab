// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes two moments of net/tls/tls_main.c long: a direction's tls_context says that it encrypts, and sk_prot or the socket's operations have
 * TCP's calls still. Each is a few instructions; an interrupt or a hypervisor that takes the processor away can make it as long.
 */
#include "flow.bpf.h"

const volatile __u32 only = 0;  // the agent
const volatile __u64 wait_ns = 0;

enum moment { PROT_IS_LATE, OPS_ARE_LATE, MOMENTS };

struct call {
  struct sock* sk;
  void* splice_read;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);  // thread
  __type(value, struct call);
} calls SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, MOMENTS);
  __type(key, __u32);
  __type(value, __u64);
} widened SEC(".maps");

// The same name as kernel.h's, other fields.
struct pt_regs___arguments {
#if defined(__TARGET_ARCH_x86)
  unsigned long di;
#else
  unsigned long regs[1];
#endif
} __attribute__((preserve_access_index));

// The same name as kernel.h's, other fields.
struct task_struct___family {
  struct task_struct___family* real_parent;
  int tgid;
} __attribute__((preserve_access_index));

// A helper of the agent makes the call: a child of its child.
static __always_inline bool is_its_helper(void) {
  struct task_struct___family* task = (void*)bpf_get_current_task_btf();

  return (__u32)BPF_CORE_READ(task, real_parent, real_parent, tgid) == only;
}

// tls_setsockopt(sk, ...) begins.
SEC("kprobe")
int begins(struct pt_regs___arguments* regs) {
  __u32 thread = bpf_get_current_pid_tgid();
  struct call call = {};
  struct sock* sk;

  if (!is_its_helper()) return 0;
#if defined(__TARGET_ARCH_x86)
  sk = (void*)BPF_CORE_READ(regs, di);
#else
  sk = (void*)BPF_CORE_READ(regs, regs[0]);
#endif
  call.sk = sk;
  call.splice_read = BPF_CORE_READ(sk, sk_socket, ops, splice_read);
  bpf_map_update_elem(&calls, &thread, &call, BPF_ANY);
  return 0;
}

static long is_over(__u32 i, __u64* end) {
  return bpf_ktime_get_ns() > *end;
}

static __always_inline void widen(__u32 moment) {
  __u64* times = bpf_map_lookup_elem(&widened, &moment);
  __u64 end = bpf_ktime_get_ns() + wait_ns;

  if (times) __sync_fetch_and_add(times, 1);
  bpf_loop(1 << 23, is_over, &end, 0);
}

// One of its instructions that may be one of those stores.
SEC("kprobe")
int stores(void* ctx) {
  __u32 thread = bpf_get_current_pid_tgid(), dirs;
  struct call* call;
  struct proto *now, *plain;
  struct tcp_sock* tp;
  struct sock* sk;

  if (!is_its_helper()) return 0;
  call = bpf_map_lookup_elem(&calls, &thread);
  if (!call) return 0;
  sk = call->sk;
  tp = (void*)sk;
  dirs = ulp_encrypts((unsigned long)BPF_CORE_READ(tp, inet_conn.icsk_ulp_ops),
                      (unsigned long)BPF_CORE_READ(tp, inet_conn.icsk_ulp_data));
  now = BPF_CORE_READ(sk, __sk_common.skc_prot);
  plain = BPF_CORE_READ(sk, sk_prot_creator);
  if (((dirs & TLSHUB_TX) && BPF_CORE_READ(now, sendmsg) == BPF_CORE_READ(plain, sendmsg)) ||
      ((dirs & TLSHUB_RX) && BPF_CORE_READ(now, recvmsg) == BPF_CORE_READ(plain, recvmsg)))
    widen(PROT_IS_LATE);
  else if ((dirs & TLSHUB_RX) && BPF_CORE_READ(sk, sk_socket, ops, splice_read) == call->splice_read)
    widen(OPS_ARE_LATE);
  return 0;
}

char _license[] SEC("license") = "GPL";
