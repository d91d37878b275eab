// SPDX-License-Identifier: Apache-2.0
/** Numbers of the generic netlink family "tlshub": kmod/tlshub/uapi/tlshub.h. A test holds them against it. */

export const COMMAND = { GET: 1, SET: 2, PEER_GET: 3, PEER_SET: 4, PEER_DEL: 5, FLOW_GET: 6 } as const;

export const NETWORK = { ADDRESS: 1, PREFIX: 2 } as const;

export const SET_REPLACE_NETWORKS = 1;

export const NODE = {
  PRIVATE_KEY: 1,
  PUBLIC_KEY: 2,
  LISTEN_PORT: 3,
  FLAGS: 4,
  NETWORK: 5,
  LIFETIME_MS: 6,
  START_MS: 7,
  PEERS: 8,
  FLOWS: 9,
  WAITERS: 10,
  COUNTERS: 11,
} as const;

export const COUNTER = {
  STARTS: 2,
  STARTS_FAILED: 3,
  KEYS_TAKEN: 4,
  KEYS_FETCHED: 5,
  KEYS_EXPIRED: 6,
  HANDSHAKES: 7,
  HANDSHAKES_FAILED: 8,
  COOKIES_SENT: 9,
  SENT: 10,
  SEND_ERRORS: 11,
  RECEIVED: 12,
  DROP_MALFORMED: 13,
  DROP_MAC: 14,
  DROP_COOKIE: 15,
  DROP_RATE: 16,
  DROP_QUEUE: 17,
  DROP_UNKNOWN_PEER: 18,
  DROP_FORGED: 19,
  DROP_REPLAYED_HANDSHAKE: 20,
  DROP_SESSION: 21,
  DROP_UNDECRYPTABLE: 22,
  DROP_REPLAYED: 23,
  REFUSED_NETWORK: 24,
  REFUSED_ROOM: 25,
} as const;

export const PEER = {
  NAME: 2,
  PUBLIC_KEY: 3,
  PRESHARED_KEY: 4,
  ENDPOINT: 5,
  FLAGS: 6,
  NETWORK: 7,
  STATE: 8,
  SESSION_AGE_MS: 9,
  HANDSHAKES: 10,
  STARTS: 11,
  KEYS_TAKEN: 12,
  PENDING: 13,
  SENT: 14,
  RECEIVED: 15,
} as const;

export const PEER_STATES = ['idle', 'handshake', 'session'] as const;

export const FLOW = {
  CLIENT_ADDRESS: 2,
  SERVER_ADDRESS: 3,
  CLIENT_PORT: 4,
  SERVER_PORT: 5,
  IDENT: 6,
  SERVER: 7,
  STATE: 8,
  PEER: 9,
  AGE_MS: 10,
  WAITERS: 11,
} as const;

export const FLOW_STATES = ['expected', 'starting', 'ready', 'expired'] as const;
