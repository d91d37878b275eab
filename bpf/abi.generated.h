/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Written by bpf/abi.py from the BTF of the BPF object, that is from bpf/tlshub.h: `make -C bpf generate`. */
#ifndef TLSHUB_ABI_GENERATED_H
#define TLSHUB_ABI_GENERATED_H

#include <assert.h>
#include <stddef.h>
#include "channel.h"
#include "tlshub.h"

/* clang-format off */
#define TLSHUB_ABI_HASH "6c33d20a23ccafb0"

#define TLSHUB_PLACED(struct_, field, at, bytes) \
	static_assert(offsetof(struct struct_, field) == (at) && sizeof(((struct struct_ *)0)->field) == (bytes), \
		      "BPF has " #struct_ "." #field " elsewhere: make -C bpf generate")

static_assert(sizeof(struct tlshub_bucket) == 16, "BPF has another tlshub_bucket: make -C bpf generate");
TLSHUB_PLACED(tlshub_bucket, filled_ns, 0, 8);
TLSHUB_PLACED(tlshub_bucket, tokens, 8, 4);
TLSHUB_PLACED(tlshub_bucket, pad, 12, 4);

static_assert(sizeof(struct tlshub_dup) == 8, "BPF has another tlshub_dup: make -C bpf generate");
TLSHUB_PLACED(tlshub_dup, stop_tgid, 0, 4);
TLSHUB_PLACED(tlshub_dup, stops, 4, 4);

static_assert(sizeof(struct tlshub_epoch) == 16, "BPF has another tlshub_epoch: make -C bpf generate");
TLSHUB_PLACED(tlshub_epoch, until_ns, 0, 8);
TLSHUB_PLACED(tlshub_epoch, given, 8, 4);
TLSHUB_PLACED(tlshub_epoch, pad, 12, 4);

static_assert(sizeof(struct tlshub_event) == 200, "BPF has another tlshub_event: make -C bpf generate");
TLSHUB_PLACED(tlshub_event, head, 0, 8);
TLSHUB_PLACED(tlshub_event, kind, 8, 4);
TLSHUB_PLACED(tlshub_event, generation, 12, 4);
TLSHUB_PLACED(tlshub_event, time_ns, 16, 8);
TLSHUB_PLACED(tlshub_event, cookie, 24, 8);
TLSHUB_PLACED(tlshub_event, inode, 32, 8);
TLSHUB_PLACED(tlshub_event, start_boottime, 40, 8);
TLSHUB_PLACED(tlshub_event, created_ns, 48, 8);
TLSHUB_PLACED(tlshub_event, established_ns, 56, 8);
TLSHUB_PLACED(tlshub_event, bytes_sent, 64, 8);
TLSHUB_PLACED(tlshub_event, bytes_received, 72, 8);
TLSHUB_PLACED(tlshub_event, cgroup, 80, 8);
TLSHUB_PLACED(tlshub_event, tgid, 88, 4);
TLSHUB_PLACED(tlshub_event, fd, 92, 4);
TLSHUB_PLACED(tlshub_event, role, 96, 4);
TLSHUB_PLACED(tlshub_event, flow_class, 100, 4);
TLSHUB_PLACED(tlshub_event, reason, 104, 4);
TLSHUB_PLACED(tlshub_event, iss, 108, 4);
TLSHUB_PLACED(tlshub_event, irs, 112, 4);
TLSHUB_PLACED(tlshub_event, wait_ms, 116, 4);
TLSHUB_PLACED(tlshub_event, refs, 120, 4);
TLSHUB_PLACED(tlshub_event, hold, 124, 4);
TLSHUB_PLACED(tlshub_event, peer_intent, 128, 4);
TLSHUB_PLACED(tlshub_event, traffic, 132, 4);
TLSHUB_PLACED(tlshub_event, epoch, 136, 4);
TLSHUB_PLACED(tlshub_event, number, 140, 2);
TLSHUB_PLACED(tlshub_event, what, 142, 2);
TLSHUB_PLACED(tlshub_event, tuple, 144, 40);
TLSHUB_PLACED(tlshub_event, comm, 184, 16);

static_assert(sizeof(struct tlshub_flow) == 248, "BPF has another tlshub_flow: make -C bpf generate");
TLSHUB_PLACED(tlshub_flow, cookie, 0, 8);
TLSHUB_PLACED(tlshub_flow, created_ns, 8, 8);
TLSHUB_PLACED(tlshub_flow, established_ns, 16, 8);
TLSHUB_PLACED(tlshub_flow, hold_until_ns, 24, 8);
TLSHUB_PLACED(tlshub_flow, first_held_ns, 32, 8);
TLSHUB_PLACED(tlshub_flow, last_held_ns, 40, 8);
TLSHUB_PLACED(tlshub_flow, waited_ns, 48, 8);
TLSHUB_PLACED(tlshub_flow, spin_since_ns, 56, 8);
TLSHUB_PLACED(tlshub_flow, generation, 64, 4);
TLSHUB_PLACED(tlshub_flow, role, 68, 4);
TLSHUB_PLACED(tlshub_flow, flow_class, 72, 4);
TLSHUB_PLACED(tlshub_flow, refused, 76, 4);
TLSHUB_PLACED(tlshub_flow, iss, 80, 4);
TLSHUB_PLACED(tlshub_flow, irs, 84, 4);
TLSHUB_PLACED(tlshub_flow, agent_tx, 88, 4);
TLSHUB_PLACED(tlshub_flow, keyed, 92, 4);
TLSHUB_PLACED(tlshub_flow, keyed_tx_off, 96, 4);
TLSHUB_PLACED(tlshub_flow, keyed_rx_off, 100, 4);
TLSHUB_PLACED(tlshub_flow, held_calls, 104, 4);
TLSHUB_PLACED(tlshub_flow, stop_tgid, 108, 4);
TLSHUB_PLACED(tlshub_flow, stop_many, 112, 4);
TLSHUB_PLACED(tlshub_flow, open_tx, 116, 4);
TLSHUB_PLACED(tlshub_flow, open_rx, 120, 4);
TLSHUB_PLACED(tlshub_flow, held_tgid, 124, 4);
TLSHUB_PLACED(tlshub_flow, spin_calls, 128, 4);
TLSHUB_PLACED(tlshub_flow, intent, 132, 4);
TLSHUB_PLACED(tlshub_flow, peer_intent, 136, 4);
TLSHUB_PLACED(tlshub_flow, sleeps, 140, 4);
TLSHUB_PLACED(tlshub_flow, open_record, 144, 4);
TLSHUB_PLACED(tlshub_flow, said, 148, 4);
TLSHUB_PLACED(tlshub_flow, epoch, 152, 4);
TLSHUB_PLACED(tlshub_flow, number, 156, 2);
TLSHUB_PLACED(tlshub_flow, what, 158, 2);
TLSHUB_PLACED(tlshub_flow, fin, 160, 4);
TLSHUB_PLACED(tlshub_flow, fins_kept, 164, 4);
TLSHUB_PLACED(tlshub_flow, plain_splice_read, 168, 8);
TLSHUB_PLACED(tlshub_flow, cgroup, 176, 8);
TLSHUB_PLACED(tlshub_flow, tuple, 184, 40);
TLSHUB_PLACED(tlshub_flow, passed, 224, 4);
TLSHUB_PLACED(tlshub_flow, followed, 228, 4);
TLSHUB_PLACED(tlshub_flow, told, 232, 16);

static_assert(sizeof(struct tlshub_head) == 8, "BPF has another tlshub_head: make -C bpf generate");
TLSHUB_PLACED(tlshub_head, type, 0, 2);
TLSHUB_PLACED(tlshub_head, bytes, 2, 2);
TLSHUB_PLACED(tlshub_head, pad, 4, 4);

static_assert(sizeof(struct tlshub_leases) == 40, "BPF has another tlshub_leases: make -C bpf generate");
TLSHUB_PLACED(tlshub_leases, agent_until_ns, 0, 8);
TLSHUB_PLACED(tlshub_leases, guardian_until_ns, 8, 8);
TLSHUB_PLACED(tlshub_leases, holder_until_ns, 16, 8);
TLSHUB_PLACED(tlshub_leases, holder_start_boottime, 24, 8);
TLSHUB_PLACED(tlshub_leases, holder_tgid, 32, 4);
TLSHUB_PLACED(tlshub_leases, sleep_on, 36, 4);

static_assert(sizeof(struct tlshub_mesh_key) == 20, "BPF has another tlshub_mesh_key: make -C bpf generate");
TLSHUB_PLACED(tlshub_mesh_key, prefixlen, 0, 4);
TLSHUB_PLACED(tlshub_mesh_key, addr, 4, 16);

static_assert(sizeof(struct tlshub_mesh_value) == 8, "BPF has another tlshub_mesh_value: make -C bpf generate");
TLSHUB_PLACED(tlshub_mesh_value, local, 0, 4);
TLSHUB_PLACED(tlshub_mesh_value, node, 4, 4);

static_assert(sizeof(struct tlshub_node_epoch) == 16, "BPF has another tlshub_node_epoch: make -C bpf generate");
TLSHUB_PLACED(tlshub_node_epoch, until_ns, 0, 8);
TLSHUB_PLACED(tlshub_node_epoch, epoch, 8, 4);
TLSHUB_PLACED(tlshub_node_epoch, pad, 12, 4);

static_assert(sizeof(struct tlshub_open_record) == 56, "BPF has another tlshub_open_record: make -C bpf generate");
TLSHUB_PLACED(tlshub_open_record, since_ns, 0, 8);
TLSHUB_PLACED(tlshub_open_record, called_ns, 8, 8);
TLSHUB_PLACED(tlshub_open_record, sequence, 16, 8);
TLSHUB_PLACED(tlshub_open_record, inode, 24, 8);
TLSHUB_PLACED(tlshub_open_record, start_boottime, 32, 8);
TLSHUB_PLACED(tlshub_open_record, tgid, 40, 4);
TLSHUB_PLACED(tlshub_open_record, fd, 44, 4);
TLSHUB_PLACED(tlshub_open_record, tid, 48, 4);
TLSHUB_PLACED(tlshub_open_record, shared, 52, 4);

static_assert(sizeof(struct tlshub_owner) == 40, "BPF has another tlshub_owner: make -C bpf generate");
TLSHUB_PLACED(tlshub_owner, start_boottime, 0, 8);
TLSHUB_PLACED(tlshub_owner, inode, 8, 8);
TLSHUB_PLACED(tlshub_owner, tgid, 16, 4);
TLSHUB_PLACED(tlshub_owner, fd, 20, 4);
TLSHUB_PLACED(tlshub_owner, comm, 24, 16);

static_assert(sizeof(struct tlshub_policy_bank) == 16, "BPF has another tlshub_policy_bank: make -C bpf generate");
TLSHUB_PLACED(tlshub_policy_bank, policy, 0, 4);
TLSHUB_PLACED(tlshub_policy_bank, same_node, 4, 4);
TLSHUB_PLACED(tlshub_policy_bank, rules, 8, 4);
TLSHUB_PLACED(tlshub_policy_bank, pad, 12, 4);

static_assert(sizeof(struct tlshub_rule_key) == 24, "BPF has another tlshub_rule_key: make -C bpf generate");
TLSHUB_PLACED(tlshub_rule_key, prefixlen, 0, 4);
TLSHUB_PLACED(tlshub_rule_key, bank, 4, 2);
TLSHUB_PLACED(tlshub_rule_key, port, 6, 2);
TLSHUB_PLACED(tlshub_rule_key, addr, 8, 16);

static_assert(sizeof(struct tlshub_rule_value) == 8, "BPF has another tlshub_rule_value: make -C bpf generate");
TLSHUB_PLACED(tlshub_rule_value, rank, 0, 4);
TLSHUB_PLACED(tlshub_rule_value, pad, 4, 4);

static_assert(sizeof(struct tlshub_secured) == 440, "BPF has another tlshub_secured: make -C bpf generate");
TLSHUB_PLACED(tlshub_secured, closed, 0, 200);
TLSHUB_PLACED(tlshub_secured, asked_ns, 200, 8);
TLSHUB_PLACED(tlshub_secured, started_ns, 208, 8);
TLSHUB_PLACED(tlshub_secured, negotiation_ns, 216, 8);
TLSHUB_PLACED(tlshub_secured, opened_ns, 224, 8);
TLSHUB_PLACED(tlshub_secured, generation, 232, 4);
TLSHUB_PLACED(tlshub_secured, provider, 236, 4);
TLSHUB_PLACED(tlshub_secured, cipher, 240, 4);
TLSHUB_PLACED(tlshub_secured, tls_version, 244, 4);
TLSHUB_PLACED(tlshub_secured, peer_node, 248, 192);

static_assert(sizeof(struct tlshub_secured_sweep) == 768, "BPF has another tlshub_secured_sweep: make -C bpf generate");
TLSHUB_PLACED(tlshub_secured_sweep, sweep, 0, 328);
TLSHUB_PLACED(tlshub_secured_sweep, secured, 328, 440);

static_assert(sizeof(struct tlshub_settings) == 64, "BPF has another tlshub_settings: make -C bpf generate");
TLSHUB_PLACED(tlshub_settings, hold_ns, 0, 8);
TLSHUB_PLACED(tlshub_settings, silent_ns, 8, 8);
TLSHUB_PLACED(tlshub_settings, nonblocking_ns, 16, 8);
TLSHUB_PLACED(tlshub_settings, jiffy_ns, 24, 8);
TLSHUB_PLACED(tlshub_settings, policy_bank, 32, 4);
TLSHUB_PLACED(tlshub_settings, emit_connect, 36, 4);
TLSHUB_PLACED(tlshub_settings, abi_version, 40, 4);
TLSHUB_PLACED(tlshub_settings, scopes, 44, 4);
TLSHUB_PLACED(tlshub_settings, intent, 48, 4);
TLSHUB_PLACED(tlshub_settings, key_netlink, 52, 4);
TLSHUB_PLACED(tlshub_settings, channel, 56, 4);
TLSHUB_PLACED(tlshub_settings, pad, 60, 4);

static_assert(sizeof(struct tlshub_silent_key) == 24, "BPF has another tlshub_silent_key: make -C bpf generate");
TLSHUB_PLACED(tlshub_silent_key, cgroup, 0, 8);
TLSHUB_PLACED(tlshub_silent_key, address, 8, 16);

static_assert(sizeof(struct tlshub_silent_peer) == 16, "BPF has another tlshub_silent_peer: make -C bpf generate");
TLSHUB_PLACED(tlshub_silent_peer, last_ns, 0, 8);
TLSHUB_PLACED(tlshub_silent_peer, count, 8, 4);
TLSHUB_PLACED(tlshub_silent_peer, pad, 12, 4);

static_assert(sizeof(struct tlshub_sleeper) == 232, "BPF has another tlshub_sleeper: make -C bpf generate");
TLSHUB_PLACED(tlshub_sleeper, cookie, 0, 8);
TLSHUB_PLACED(tlshub_sleeper, until_ns, 8, 8);
TLSHUB_PLACED(tlshub_sleeper, cgroup, 16, 8);
TLSHUB_PLACED(tlshub_sleeper, tgid, 24, 4);
TLSHUB_PLACED(tlshub_sleeper, tell, 28, 4);
TLSHUB_PLACED(tlshub_sleeper, held, 32, 200);

static_assert(sizeof(struct tlshub_socket) == 32, "BPF has another tlshub_socket: make -C bpf generate");
TLSHUB_PLACED(tlshub_socket, sk_state, 0, 4);
TLSHUB_PLACED(tlshub_socket, encrypts, 4, 4);
TLSHUB_PLACED(tlshub_socket, verdict_flags, 8, 4);
TLSHUB_PLACED(tlshub_socket, traffic, 12, 4);
TLSHUB_PLACED(tlshub_socket, bytes_sent, 16, 8);
TLSHUB_PLACED(tlshub_socket, bytes_received, 24, 8);

static_assert(sizeof(struct tlshub_stop) == 16, "BPF has another tlshub_stop: make -C bpf generate");
TLSHUB_PLACED(tlshub_stop, start_boottime, 0, 8);
TLSHUB_PLACED(tlshub_stop, since_ns, 8, 8);

static_assert(sizeof(struct tlshub_stop_key) == 16, "BPF has another tlshub_stop_key: make -C bpf generate");
TLSHUB_PLACED(tlshub_stop_key, cookie, 0, 8);
TLSHUB_PLACED(tlshub_stop_key, tgid, 8, 4);
TLSHUB_PLACED(tlshub_stop_key, pad, 12, 4);

static_assert(sizeof(struct tlshub_sweep) == 328, "BPF has another tlshub_sweep: make -C bpf generate");
TLSHUB_PLACED(tlshub_sweep, head, 0, 8);
TLSHUB_PLACED(tlshub_sweep, flow, 8, 248);
TLSHUB_PLACED(tlshub_sweep, owner, 256, 40);
TLSHUB_PLACED(tlshub_sweep, socket, 296, 32);

static_assert(sizeof(struct tlshub_traffic) == 48, "BPF has another tlshub_traffic: make -C bpf generate");
TLSHUB_PLACED(tlshub_traffic, bytes_sent, 0, 8);
TLSHUB_PLACED(tlshub_traffic, bytes_received, 8, 8);
TLSHUB_PLACED(tlshub_traffic, tx_first, 16, 8);
TLSHUB_PLACED(tlshub_traffic, rx_first, 24, 8);
TLSHUB_PLACED(tlshub_traffic, tx_records, 32, 8);
TLSHUB_PLACED(tlshub_traffic, generation, 40, 4);
TLSHUB_PLACED(tlshub_traffic, flags, 44, 4);

static_assert(sizeof(struct tlshub_tuple) == 40, "BPF has another tlshub_tuple: make -C bpf generate");
TLSHUB_PLACED(tlshub_tuple, local, 0, 16);
TLSHUB_PLACED(tlshub_tuple, remote, 16, 16);
TLSHUB_PLACED(tlshub_tuple, lport, 32, 2);
TLSHUB_PLACED(tlshub_tuple, rport, 34, 2);
TLSHUB_PLACED(tlshub_tuple, pad, 36, 4);

static_assert(sizeof(struct tlshub_verdict) == 8, "BPF has another tlshub_verdict: make -C bpf generate");
TLSHUB_PLACED(tlshub_verdict, generation, 0, 4);
TLSHUB_PLACED(tlshub_verdict, flags, 4, 4);

#undef TLSHUB_PLACED

static_assert(CHANNEL_MARKER_VERSION == 2, "BPF has another CHANNEL_MARKER_VERSION: make -C bpf generate");
static_assert(CHANNEL_SYN_BYTES == 13, "BPF has another CHANNEL_SYN_BYTES: make -C bpf generate");
static_assert(CHANNEL_SYN_ACK_BYTES == 8, "BPF has another CHANNEL_SYN_ACK_BYTES: make -C bpf generate");
static_assert(CHANNEL_ACK_BYTES == 10, "BPF has another CHANNEL_ACK_BYTES: make -C bpf generate");
static_assert(CHANNEL_EPOCH_IDS == 16777216, "BPF has another CHANNEL_EPOCH_IDS: make -C bpf generate");
static_assert(CHANNEL_EPOCH_FLOWS == 65536, "BPF has another CHANNEL_EPOCH_FLOWS: make -C bpf generate");
static_assert(CHANNEL_NUMBERS_BYTES == 8192, "BPF has another CHANNEL_NUMBERS_BYTES: make -C bpf generate");
static_assert(CHANNEL_SECRET_BYTES == 32, "BPF has another CHANNEL_SECRET_BYTES: make -C bpf generate");

static_assert(CHANNEL_DIRECT == 5, "BPF has another CHANNEL_DIRECT: make -C bpf generate");
static_assert(CHANNEL_TRANSLATED == 6, "BPF has another CHANNEL_TRANSLATED: make -C bpf generate");

static_assert(CLASS_NONE == 0, "BPF has another CLASS_NONE: make -C bpf generate");
static_assert(CLASS_MESH == 1, "BPF has another CLASS_MESH: make -C bpf generate");
static_assert(CLASS_PLAINTEXT == 2, "BPF has another CLASS_PLAINTEXT: make -C bpf generate");
static_assert(CLASS_REFUSED == 3, "BPF has another CLASS_REFUSED: make -C bpf generate");

static_assert(COUNTER_HELD_CALLS == 0, "BPF has another COUNTER_HELD_CALLS: make -C bpf generate");
static_assert(COUNTER_STOPS == 1, "BPF has another COUNTER_STOPS: make -C bpf generate");
static_assert(COUNTER_STOP_RACES_UNDONE == 2, "BPF has another COUNTER_STOP_RACES_UNDONE: make -C bpf generate");
static_assert(COUNTER_REFUSED == 3, "BPF has another COUNTER_REFUSED: make -C bpf generate");
static_assert(COUNTER_EGRESS_DROPS == 4, "BPF has another COUNTER_EGRESS_DROPS: make -C bpf generate");
static_assert(COUNTER_PLAINTEXT_FLOWS == 5, "BPF has another COUNTER_PLAINTEXT_FLOWS: make -C bpf generate");
static_assert(COUNTER_EVENTS_LOST == 6, "BPF has another COUNTER_EVENTS_LOST: make -C bpf generate");
static_assert(COUNTER_STORAGE_FAILED == 7, "BPF has another COUNTER_STORAGE_FAILED: make -C bpf generate");
static_assert(COUNTER_SOCKETS_REFUSED == 8, "BPF has another COUNTER_SOCKETS_REFUSED: make -C bpf generate");
static_assert(COUNTER_EVENTS_WITHHELD == 9, "BPF has another COUNTER_EVENTS_WITHHELD: make -C bpf generate");
static_assert(COUNTER_SLEEPS == 10, "BPF has another COUNTER_SLEEPS: make -C bpf generate");
static_assert(COUNTER_MAX == 11, "BPF has another COUNTER_MAX: make -C bpf generate");

static_assert(EVENT_CONNECT == 1, "BPF has another EVENT_CONNECT: make -C bpf generate");
static_assert(EVENT_ESTABLISHED == 2, "BPF has another EVENT_ESTABLISHED: make -C bpf generate");
static_assert(EVENT_ACCEPTED == 3, "BPF has another EVENT_ACCEPTED: make -C bpf generate");
static_assert(EVENT_HELD == 4, "BPF has another EVENT_HELD: make -C bpf generate");
static_assert(EVENT_CLOSING == 5, "BPF has another EVENT_CLOSING: make -C bpf generate");
static_assert(EVENT_REFUSED == 6, "BPF has another EVENT_REFUSED: make -C bpf generate");
static_assert(EVENT_CLOSED == 7, "BPF has another EVENT_CLOSED: make -C bpf generate");
static_assert(EVENT_RELEASED == 8, "BPF has another EVENT_RELEASED: make -C bpf generate");
static_assert(EVENT_SOCKET_REFUSED == 9, "BPF has another EVENT_SOCKET_REFUSED: make -C bpf generate");
static_assert(EVENT_ENDING == 10, "BPF has another EVENT_ENDING: make -C bpf generate");
static_assert(EVENT_OPEN_RECORD == 11, "BPF has another EVENT_OPEN_RECORD: make -C bpf generate");

static_assert(HOLD_NONE == 0, "BPF has another HOLD_NONE: make -C bpf generate");
static_assert(HOLD_STOP == 1, "BPF has another HOLD_STOP: make -C bpf generate");
static_assert(HOLD_SLEEP == 2, "BPF has another HOLD_SLEEP: make -C bpf generate");

static_assert(INTENT_UNKNOWN == 0, "BPF has another INTENT_UNKNOWN: make -C bpf generate");
static_assert(INTENT_PLAINTEXT == 1, "BPF has another INTENT_PLAINTEXT: make -C bpf generate");
static_assert(INTENT_IN_BAND == 2, "BPF has another INTENT_IN_BAND: make -C bpf generate");
static_assert(INTENT_TLSHUB == 3, "BPF has another INTENT_TLSHUB: make -C bpf generate");
static_assert(INTENT_REFUSED == 4, "BPF has another INTENT_REFUSED: make -C bpf generate");

static_assert(TLSHUB_ABI_VERSION == 6, "BPF has another TLSHUB_ABI_VERSION: make -C bpf generate");
static_assert(TLSHUB_COMM_LEN == 16, "BPF has another TLSHUB_COMM_LEN: make -C bpf generate");
static_assert(TLSHUB_NODE_LEN == 192, "BPF has another TLSHUB_NODE_LEN: make -C bpf generate");
static_assert(TLSHUB_MAX_SCOPES == 64, "BPF has another TLSHUB_MAX_SCOPES: make -C bpf generate");
static_assert(TLSHUB_MAX_HELD == 65536, "BPF has another TLSHUB_MAX_HELD: make -C bpf generate");
static_assert(TLSHUB_MAX_RULES == 1024, "BPF has another TLSHUB_MAX_RULES: make -C bpf generate");
static_assert(TLSHUB_RULE_FIXED_BITS == 32, "BPF has another TLSHUB_RULE_FIXED_BITS: make -C bpf generate");
static_assert(TLSHUB_MAX_NODES == 65536, "BPF has another TLSHUB_MAX_NODES: make -C bpf generate");
static_assert(TLSHUB_MAX_EPOCHS == 131072, "BPF has another TLSHUB_MAX_EPOCHS: make -C bpf generate");
static_assert(TLSHUB_CORK_NS == 200000000, "BPF has another TLSHUB_CORK_NS: make -C bpf generate");

static_assert(POLICY_STRICT == 1, "BPF has another POLICY_STRICT: make -C bpf generate");
static_assert(POLICY_PERMISSIVE == 2, "BPF has another POLICY_PERMISSIVE: make -C bpf generate");

static_assert(PROTOCOL_TLS_1_3 == 772, "BPF has another PROTOCOL_TLS_1_3: make -C bpf generate");

static_assert(PROVIDER_OPENSSL == 1, "BPF has another PROVIDER_OPENSSL: make -C bpf generate");
static_assert(PROVIDER_BORINGSSL == 2, "BPF has another PROVIDER_BORINGSSL: make -C bpf generate");
static_assert(PROVIDER_TLSHUB == 3, "BPF has another PROVIDER_TLSHUB: make -C bpf generate");

static_assert(RANK_REQUIRE == 1, "BPF has another RANK_REQUIRE: make -C bpf generate");

static_assert(REASON_NONE == 0, "BPF has another REASON_NONE: make -C bpf generate");
static_assert(REASON_OVERDUE == 1, "BPF has another REASON_OVERDUE: make -C bpf generate");
static_assert(REASON_SILENT_PEER == 2, "BPF has another REASON_SILENT_PEER: make -C bpf generate");
static_assert(REASON_NO_AGENT == 3, "BPF has another REASON_NO_AGENT: make -C bpf generate");
static_assert(REASON_NOT_MESH == 4, "BPF has another REASON_NOT_MESH: make -C bpf generate");
static_assert(REASON_UNSUPERVISED == 5, "BPF has another REASON_UNSUPERVISED: make -C bpf generate");
static_assert(REASON_UNSUPPORTED == 6, "BPF has another REASON_UNSUPPORTED: make -C bpf generate");
static_assert(REASON_CLOSED == 7, "BPF has another REASON_CLOSED: make -C bpf generate");
static_assert(REASON_PEER_REFUSES == 8, "BPF has another REASON_PEER_REFUSES: make -C bpf generate");
static_assert(REASON_PEER_PLAINTEXT == 9, "BPF has another REASON_PEER_PLAINTEXT: make -C bpf generate");
static_assert(REASON_PEER_SECURES == 10, "BPF has another REASON_PEER_SECURES: make -C bpf generate");
static_assert(REASON_PEER_MODE == 11, "BPF has another REASON_PEER_MODE: make -C bpf generate");
static_assert(REASON_TRANSLATED == 12, "BPF has another REASON_TRANSLATED: make -C bpf generate");
static_assert(REASON_SOCKET_KIND == 13, "BPF has another REASON_SOCKET_KIND: make -C bpf generate");
static_assert(REASON_AGENT == 64, "BPF has another REASON_AGENT: make -C bpf generate");

static_assert(RECORD_EVENT == 1, "BPF has another RECORD_EVENT: make -C bpf generate");
static_assert(RECORD_LAST_EVENT == 2, "BPF has another RECORD_LAST_EVENT: make -C bpf generate");
static_assert(RECORD_SOCKET == 3, "BPF has another RECORD_SOCKET: make -C bpf generate");
static_assert(RECORD_SECURED_SOCKET == 4, "BPF has another RECORD_SECURED_SOCKET: make -C bpf generate");

static_assert(ROLE_ACTIVE == 1, "BPF has another ROLE_ACTIVE: make -C bpf generate");
static_assert(ROLE_PASSIVE == 2, "BPF has another ROLE_PASSIVE: make -C bpf generate");

static_assert(SAME_NODE_SECURE == 1, "BPF has another SAME_NODE_SECURE: make -C bpf generate");
static_assert(SAME_NODE_PLAINTEXT == 2, "BPF has another SAME_NODE_PLAINTEXT: make -C bpf generate");

static_assert(SUITE_TLS_AES_128_GCM_SHA256 == 4865, "BPF has another SUITE_TLS_AES_128_GCM_SHA256: make -C bpf generate");
static_assert(SUITE_TLS_AES_256_GCM_SHA384 == 4866, "BPF has another SUITE_TLS_AES_256_GCM_SHA384: make -C bpf generate");
static_assert(SUITE_TLS_CHACHA20_POLY1305_SHA256 == 4867, "BPF has another SUITE_TLS_CHACHA20_POLY1305_SHA256: make -C bpf generate");

static_assert(STATE_ESTABLISHED == 1, "BPF has another STATE_ESTABLISHED: make -C bpf generate");
static_assert(STATE_SYN_SENT == 2, "BPF has another STATE_SYN_SENT: make -C bpf generate");
static_assert(STATE_FIN_WAIT1 == 4, "BPF has another STATE_FIN_WAIT1: make -C bpf generate");
static_assert(STATE_FIN_WAIT2 == 5, "BPF has another STATE_FIN_WAIT2: make -C bpf generate");
static_assert(STATE_TIME_WAIT == 6, "BPF has another STATE_TIME_WAIT: make -C bpf generate");
static_assert(STATE_CLOSE == 7, "BPF has another STATE_CLOSE: make -C bpf generate");
static_assert(STATE_CLOSE_WAIT == 8, "BPF has another STATE_CLOSE_WAIT: make -C bpf generate");
static_assert(STATE_LAST_ACK == 9, "BPF has another STATE_LAST_ACK: make -C bpf generate");
static_assert(STATE_LISTEN == 10, "BPF has another STATE_LISTEN: make -C bpf generate");
static_assert(STATE_CLOSING == 11, "BPF has another STATE_CLOSING: make -C bpf generate");

static_assert(TRAFFIC_KNOWN == 1, "BPF has another TRAFFIC_KNOWN: make -C bpf generate");
static_assert(TRAFFIC_RELEASED == 2, "BPF has another TRAFFIC_RELEASED: make -C bpf generate");
static_assert(TRAFFIC_FIN == 4, "BPF has another TRAFFIC_FIN: make -C bpf generate");
static_assert(TRAFFIC_CLOSED == 8, "BPF has another TRAFFIC_CLOSED: make -C bpf generate");
static_assert(TRAFFIC_LOCKED == 16, "BPF has another TRAFFIC_LOCKED: make -C bpf generate");

static_assert(TLSHUB_TX == 1, "BPF has another TLSHUB_TX: make -C bpf generate");
static_assert(TLSHUB_RX == 2, "BPF has another TLSHUB_RX: make -C bpf generate");
static_assert(VERDICT_REFUSE == 4, "BPF has another VERDICT_REFUSE: make -C bpf generate");
static_assert(VERDICT_END == 8, "BPF has another VERDICT_END: make -C bpf generate");
/* clang-format on */

#endif
