// SPDX-License-Identifier: Apache-2.0
// Written by bpf/abi.py from the BTF of the BPF object, that is from bpf/tlshub.h: `make -C bpf generate`.

export const ABI_HASH = '6c33d20a23ccafb0';

/** Of each struct its size and its fields: where they begin, what they are, and how many bytes they have. */
export const STRUCTS = {
  tlshub_bucket: {
    bytes: 16,
    fields: {
      filled_ns: { at: 0, type: 'u64', bytes: 8 },
      tokens: { at: 8, type: 'u32', bytes: 4 },
      pad: { at: 12, type: 'u32', bytes: 4 },
    },
  },
  tlshub_event: {
    bytes: 200,
    fields: {
      head: { at: 0, type: 'tlshub_head', bytes: 8 },
      kind: { at: 8, type: 'u32', bytes: 4 },
      generation: { at: 12, type: 'u32', bytes: 4 },
      time_ns: { at: 16, type: 'u64', bytes: 8 },
      cookie: { at: 24, type: 'u64', bytes: 8 },
      inode: { at: 32, type: 'u64', bytes: 8 },
      start_boottime: { at: 40, type: 'u64', bytes: 8 },
      created_ns: { at: 48, type: 'u64', bytes: 8 },
      established_ns: { at: 56, type: 'u64', bytes: 8 },
      bytes_sent: { at: 64, type: 'u64', bytes: 8 },
      bytes_received: { at: 72, type: 'u64', bytes: 8 },
      cgroup: { at: 80, type: 'u64', bytes: 8 },
      tgid: { at: 88, type: 'u32', bytes: 4 },
      fd: { at: 92, type: 's32', bytes: 4 },
      role: { at: 96, type: 'u32', bytes: 4 },
      flow_class: { at: 100, type: 'u32', bytes: 4 },
      reason: { at: 104, type: 'u32', bytes: 4 },
      iss: { at: 108, type: 'u32', bytes: 4 },
      irs: { at: 112, type: 'u32', bytes: 4 },
      wait_ms: { at: 116, type: 'u32', bytes: 4 },
      refs: { at: 120, type: 'u32', bytes: 4 },
      hold: { at: 124, type: 'u32', bytes: 4 },
      peer_intent: { at: 128, type: 'u32', bytes: 4 },
      traffic: { at: 132, type: 'u32', bytes: 4 },
      epoch: { at: 136, type: 'u32', bytes: 4 },
      number: { at: 140, type: 'u16', bytes: 2 },
      what: { at: 142, type: 'u16', bytes: 2 },
      tuple: { at: 144, type: 'tlshub_tuple', bytes: 40 },
      comm: { at: 184, type: 'bytes', bytes: 16 },
    },
  },
  tlshub_flow: {
    bytes: 248,
    fields: {
      cookie: { at: 0, type: 'u64', bytes: 8 },
      created_ns: { at: 8, type: 'u64', bytes: 8 },
      established_ns: { at: 16, type: 'u64', bytes: 8 },
      hold_until_ns: { at: 24, type: 'u64', bytes: 8 },
      first_held_ns: { at: 32, type: 'u64', bytes: 8 },
      last_held_ns: { at: 40, type: 'u64', bytes: 8 },
      waited_ns: { at: 48, type: 'u64', bytes: 8 },
      spin_since_ns: { at: 56, type: 'u64', bytes: 8 },
      generation: { at: 64, type: 'u32', bytes: 4 },
      role: { at: 68, type: 'u32', bytes: 4 },
      flow_class: { at: 72, type: 'u32', bytes: 4 },
      refused: { at: 76, type: 'u32', bytes: 4 },
      iss: { at: 80, type: 'u32', bytes: 4 },
      irs: { at: 84, type: 'u32', bytes: 4 },
      agent_tx: { at: 88, type: 'u32', bytes: 4 },
      keyed: { at: 92, type: 'u32', bytes: 4 },
      keyed_tx_off: { at: 96, type: 'u32', bytes: 4 },
      keyed_rx_off: { at: 100, type: 'u32', bytes: 4 },
      held_calls: { at: 104, type: 'u32', bytes: 4 },
      stop_tgid: { at: 108, type: 'u32', bytes: 4 },
      stop_many: { at: 112, type: 'u32', bytes: 4 },
      open_tx: { at: 116, type: 'u32', bytes: 4 },
      open_rx: { at: 120, type: 'u32', bytes: 4 },
      held_tgid: { at: 124, type: 'u32', bytes: 4 },
      spin_calls: { at: 128, type: 'u32', bytes: 4 },
      intent: { at: 132, type: 'u32', bytes: 4 },
      peer_intent: { at: 136, type: 'u32', bytes: 4 },
      sleeps: { at: 140, type: 'u32', bytes: 4 },
      open_record: { at: 144, type: 'u32', bytes: 4 },
      said: { at: 148, type: 'u32', bytes: 4 },
      epoch: { at: 152, type: 'u32', bytes: 4 },
      number: { at: 156, type: 'u16', bytes: 2 },
      what: { at: 158, type: 'u16', bytes: 2 },
      fin: { at: 160, type: 'u32', bytes: 4 },
      fins_kept: { at: 164, type: 'u32', bytes: 4 },
      plain_splice_read: { at: 168, type: 'u64', bytes: 8 },
      cgroup: { at: 176, type: 'u64', bytes: 8 },
      tuple: { at: 184, type: 'tlshub_tuple', bytes: 40 },
      passed: { at: 224, type: 'u32', bytes: 4 },
      followed: { at: 228, type: 'u32', bytes: 4 },
      told: { at: 232, type: 'tlshub_bucket', bytes: 16 },
    },
  },
  tlshub_head: {
    bytes: 8,
    fields: {
      type: { at: 0, type: 'u16', bytes: 2 },
      bytes: { at: 2, type: 'u16', bytes: 2 },
      pad: { at: 4, type: 'u32', bytes: 4 },
    },
  },
  tlshub_owner: {
    bytes: 40,
    fields: {
      start_boottime: { at: 0, type: 'u64', bytes: 8 },
      inode: { at: 8, type: 'u64', bytes: 8 },
      tgid: { at: 16, type: 'u32', bytes: 4 },
      fd: { at: 20, type: 's32', bytes: 4 },
      comm: { at: 24, type: 'bytes', bytes: 16 },
    },
  },
  tlshub_secured: {
    bytes: 440,
    fields: {
      closed: { at: 0, type: 'tlshub_event', bytes: 200 },
      asked_ns: { at: 200, type: 'u64', bytes: 8 },
      started_ns: { at: 208, type: 'u64', bytes: 8 },
      negotiation_ns: { at: 216, type: 'u64', bytes: 8 },
      opened_ns: { at: 224, type: 'u64', bytes: 8 },
      generation: { at: 232, type: 'u32', bytes: 4 },
      provider: { at: 236, type: 'u32', bytes: 4 },
      cipher: { at: 240, type: 'u32', bytes: 4 },
      tls_version: { at: 244, type: 'u32', bytes: 4 },
      peer_node: { at: 248, type: 'bytes', bytes: 192 },
    },
  },
  tlshub_secured_sweep: {
    bytes: 768,
    fields: {
      sweep: { at: 0, type: 'tlshub_sweep', bytes: 328 },
      secured: { at: 328, type: 'tlshub_secured', bytes: 440 },
    },
  },
  tlshub_socket: {
    bytes: 32,
    fields: {
      sk_state: { at: 0, type: 'u32', bytes: 4 },
      encrypts: { at: 4, type: 'u32', bytes: 4 },
      verdict_flags: { at: 8, type: 'u32', bytes: 4 },
      traffic: { at: 12, type: 'u32', bytes: 4 },
      bytes_sent: { at: 16, type: 'u64', bytes: 8 },
      bytes_received: { at: 24, type: 'u64', bytes: 8 },
    },
  },
  tlshub_sweep: {
    bytes: 328,
    fields: {
      head: { at: 0, type: 'tlshub_head', bytes: 8 },
      flow: { at: 8, type: 'tlshub_flow', bytes: 248 },
      owner: { at: 256, type: 'tlshub_owner', bytes: 40 },
      socket: { at: 296, type: 'tlshub_socket', bytes: 32 },
    },
  },
  tlshub_tuple: {
    bytes: 40,
    fields: {
      local: { at: 0, type: 'bytes', bytes: 16 },
      remote: { at: 16, type: 'bytes', bytes: 16 },
      lport: { at: 32, type: 'u16', bytes: 2 },
      rport: { at: 34, type: 'u16', bytes: 2 },
      pad: { at: 36, type: 'u32', bytes: 4 },
    },
  },
} as const;

/** enum tlshub_channel_limit */
export const ChannelLimit = {
  MARKER_VERSION: 2,
  SYN_BYTES: 13,
  SYN_ACK_BYTES: 8,
  ACK_BYTES: 10,
  EPOCH_IDS: 16777216,
  EPOCH_FLOWS: 65536,
  NUMBERS_BYTES: 8192,
  SECRET_BYTES: 32,
} as const;

/** enum tlshub_channel_what */
export const ChannelWhat = { DIRECT: 5, TRANSLATED: 6 } as const;

/** enum tlshub_class */
export const Class = { NONE: 0, MESH: 1, PLAINTEXT: 2, REFUSED: 3 } as const;

/** enum tlshub_counter */
export const Counter = {
  HELD_CALLS: 0,
  STOPS: 1,
  STOP_RACES_UNDONE: 2,
  REFUSED: 3,
  EGRESS_DROPS: 4,
  PLAINTEXT_FLOWS: 5,
  EVENTS_LOST: 6,
  STORAGE_FAILED: 7,
  SOCKETS_REFUSED: 8,
  EVENTS_WITHHELD: 9,
  SLEEPS: 10,
  MAX: 11,
} as const;

/** enum tlshub_event_kind */
export const EventKind = {
  CONNECT: 1,
  ESTABLISHED: 2,
  ACCEPTED: 3,
  HELD: 4,
  CLOSING: 5,
  REFUSED: 6,
  CLOSED: 7,
  RELEASED: 8,
  SOCKET_REFUSED: 9,
  ENDING: 10,
  OPEN_RECORD: 11,
} as const;

/** enum tlshub_hold */
export const Hold = { NONE: 0, STOP: 1, SLEEP: 2 } as const;

/** enum tlshub_intent */
export const Intent = { UNKNOWN: 0, PLAINTEXT: 1, IN_BAND: 2, TLSHUB: 3, REFUSED: 4 } as const;

/** enum tlshub_limit */
export const Limit = {
  ABI_VERSION: 6,
  COMM_LEN: 16,
  NODE_LEN: 192,
  MAX_SCOPES: 64,
  MAX_HELD: 65536,
  MAX_RULES: 1024,
  RULE_FIXED_BITS: 32,
  MAX_NODES: 65536,
  MAX_EPOCHS: 131072,
  CORK_NS: 200000000,
} as const;

/** enum tlshub_policy */
export const Policy = { STRICT: 1, PERMISSIVE: 2 } as const;

/** enum tlshub_protocol */
export const Protocol = { TLS_1_3: 772 } as const;

/** enum tlshub_provider */
export const Provider = { OPENSSL: 1, BORINGSSL: 2, TLSHUB: 3 } as const;

/** enum tlshub_rank */
export const Rank = { REQUIRE: 1 } as const;

/** enum tlshub_reason */
export const Reason = {
  NONE: 0,
  OVERDUE: 1,
  SILENT_PEER: 2,
  NO_AGENT: 3,
  NOT_MESH: 4,
  UNSUPERVISED: 5,
  UNSUPPORTED: 6,
  CLOSED: 7,
  PEER_REFUSES: 8,
  PEER_PLAINTEXT: 9,
  PEER_SECURES: 10,
  PEER_MODE: 11,
  TRANSLATED: 12,
  SOCKET_KIND: 13,
  AGENT: 64,
} as const;

/** enum tlshub_record_type */
export const RecordType = { EVENT: 1, LAST_EVENT: 2, SOCKET: 3, SECURED_SOCKET: 4 } as const;

/** enum tlshub_role */
export const Role = { ACTIVE: 1, PASSIVE: 2 } as const;

/** enum tlshub_same_node */
export const SameNode = { SECURE: 1, PLAINTEXT: 2 } as const;

/** enum tlshub_suite */
export const Suite = {
  TLS_AES_128_GCM_SHA256: 4865,
  TLS_AES_256_GCM_SHA384: 4866,
  TLS_CHACHA20_POLY1305_SHA256: 4867,
} as const;

/** enum tlshub_tcp_state */
export const TcpState = {
  ESTABLISHED: 1,
  SYN_SENT: 2,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  TIME_WAIT: 6,
  CLOSE: 7,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  LISTEN: 10,
  CLOSING: 11,
} as const;

/** enum tlshub_traffic_flag */
export const TrafficFlag = { KNOWN: 1, RELEASED: 2, FIN: 4, CLOSED: 8, LOCKED: 16 } as const;

/** enum tlshub_verdict_flag */
export const VerdictFlag = { TLSHUB_TX: 1, TLSHUB_RX: 2, VERDICT_REFUSE: 4, VERDICT_END: 8 } as const;
