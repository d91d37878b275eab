/* SPDX-License-Identifier: GPL-2.0-only */
/* Every map, once. Weak, so that each program file can be compiled alone; the linker keeps one of each. */
#ifndef TLSHUB_MAPS_BPF_H
#define TLSHUB_MAPS_BPF_H

#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include "tlshub.h"

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tlshub_flow);
} flows __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tlshub_owner);
} owners __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tlshub_verdict);
} verdicts __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tlshub_traffic);
} traffic __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tlshub_secured);
} secured __weak SEC(".maps");

/* Processes of the agent: exempt. Set through a pidfd, so neither PID namespaces nor reused numbers matter. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} agents __weak SEC(".maps");

/* What a thread's present connect() or accept() is about, between the hooks that know a part of it each. */
struct call_hint {
	struct tlshub_event accepted; /* cookie 0: nothing accepted yet */
	__s32 connect_fd;
	__u32 accepting;
};
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call_hint);
} hints __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TLSHUB_MAX_HELD);
	__type(key, struct tlshub_stop_key);
	__type(value, struct tlshub_stop);
} stops __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TLSHUB_MAX_HELD);
	__type(key, __u64);
	__type(value, struct tlshub_dup);
} dups __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TLSHUB_MAX_HELD);
	__type(key, __u64);
	__type(value, struct tlshub_open_record);
} open_records __weak SEC(".maps");

/* One element: when user space was last told to look at "open_records". */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} open_records_told __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TLSHUB_MAX_HELD);
	__type(key, __u32);
	__type(value, struct tlshub_sleeper);
} sleepers __weak SEC(".maps");

/* tid -> until when it is not put to sleep again for a call that does not want to block: it was, and in vain */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} impatient __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} user_stops __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct tlshub_silent_key);
	__type(value, struct tlshub_silent_peer);
} silent_peers __weak SEC(".maps");

/* cgroup id -> events that sockets of it may have made */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct tlshub_bucket);
} budgets __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tlshub_leases);
} leases __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tlshub_settings);
} settings __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, TLSHUB_MAX_SCOPES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} scopes __weak SEC(".maps");

/* The id of the cgroup in each element of "scopes", 0: none. For agents alone: a cgroup array cannot be read. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TLSHUB_MAX_SCOPES);
	__type(key, __u32);
	__type(value, __u64);
} scope_ids __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1048576);
	__type(key, struct tlshub_mesh_key);
	__type(value, struct tlshub_mesh_value);
} mesh __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TLSHUB_MAX_EPOCHS);
	__type(key, __u32);
	__type(value, struct tlshub_epoch);
} epochs __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TLSHUB_MAX_NODES);
	__type(key, __u32);
	__type(value, struct tlshub_node_epoch);
} node_epochs __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u32);
} third_segments __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct tlshub_policy_bank);
} policy __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * TLSHUB_MAX_RULES);
	__type(key, struct tlshub_rule_key);
	__type(value, struct tlshub_rule_value);
} rules __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTER_MAX);
	__type(key, __u32);
	__type(value, __u64);
} counters __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events __weak SEC(".maps");

#endif
