// SPDX-License-Identifier: Apache-2.0
/**
 * The schema: every key of capture.conf with its format, default and meaning. Types, validation, environment names, `config/capture.conf`
 * and its unit test all come from this table.
 */
import { hostname } from 'node:os';
import { NOT_ENDED } from '../mapping/kubernetes/pods.js';
import { CHANNEL_PORT } from '../mapping/node-endpoints.js';
import { parseNodeName } from '../shared/text/node-name.js';
import {
  absolutePath,
  boolean,
  cgroupPatterns,
  choice,
  choices,
  integer,
  nodeName,
  optionalListenAddress,
  optionalNamespace,
  optionalPath,
  path,
  selector,
  policyRules,
  socketPath,
  workingPath,
} from './formats.js';
import { HOUR_MS, key, milliseconds, type KeySpec } from './key-spec.js';
import { OBSERVATION_KEYS } from './observation-keys.js';

/** The size of a provider's pool: each provider has one of its own, so that none can hold up the others. */
function poolKeys<P extends string>(
  provider: P,
  name: string,
): Record<`${P}.pool_${'size' | 'in_flight' | 'queue'}`, KeySpec<number>> {
  const keys: Record<string, KeySpec<number>> = {
    [`${provider}.pool_size`]: key(
      integer({ min: 1, max: 64 }),
      1,
      `Worker threads of the ${name} provider. Each runs many negotiations at once.`,
    ),
    [`${provider}.pool_in_flight`]: key(
      integer({ min: 2, max: 65536 }),
      1024,
      `Negotiations of outgoing connections under way at once in one worker of the ${name} provider. One that waits for its peer costs memory only. No node gets more than half of them, no address more than a third, and a quarter is kept for addresses that answered before.`,
    ),
    [`${provider}.pool_queue`]: key(
      integer({ min: 0, max: 1_000_000 }),
      4096,
      `Outgoing connections that wait to be admitted to the pool of the ${name} provider, addresses by turns. One more stays held, is counted, and asks again until its deadline. Incoming connections do not wait: pool_size times pool_in_flight and this many of them begin at once.`,
    ),
  };
  return keys;
}

/** `localhost` if the kernel's hostname could not be a node name: then certificates will not fit, and say so. */
function defaultNodeName(): string {
  return parseNodeName(hostname()) ?? 'localhost';
}

export const KEYS = {
  mode: key(
    choice('tlshub', 'openssl', 'boringssl'),
    'openssl',
    'Key provider: where the keys of a new connection come from. openssl and boringssl are the same TLS 1.3 on the wire and work with each other. The supervisor refuses a mode that it has no provider for. `tlshubctl mode set` switches while the agent runs.',
  ),
  pod_node_config: key(
    path,
    '/etc/tlshub/pod_node_mapping.conf',
    'The Pod-Node mapping: which pods run on which node, and their addresses. An address in it is a mesh peer.',
  ),
  pod_source: key(
    choice('file', 'kubernetes'),
    'file',
    'Where the mapping comes from: the file of pod_node_config, or the Pods of a Kubernetes cluster, followed as they come and go and named namespace/name.',
  ),
  'kubernetes.kubeconfig': key(
    optionalPath,
    '',
    'For pod_source = kubernetes: a kubeconfig file, of which the current context is used. Empty: the service account that Kubernetes gives to a Pod.',
  ),
  'kubernetes.namespace': key(
    optionalNamespace,
    '',
    'For pod_source = kubernetes: only Pods of this namespace. Empty: of all.',
  ),
  'kubernetes.label_selector': key(selector, '', 'For pod_source = kubernetes: only Pods with these labels.'),
  'kubernetes.field_selector': key(
    selector,
    NOT_ENDED,
    'For pod_source = kubernetes: only Pods with these fields. Pods that have ended never count, whatever this says; the default spares the agent from hearing of them.',
  ),
  'kubernetes.host_network': key(
    boolean,
    false,
    "For pod_source = kubernetes: also Pods in their node's network namespace. Their address is the node's, so it then belongs to the mesh as a whole, with the kubelet and all else that is not captured.",
  ),
  'kubernetes.services': key(
    boolean,
    true,
    'For pod_source = kubernetes: also the addresses of Services, each with the nodes of the Pods behind it, from EndpointSlices. With false they are addresses like any other that is not in the mapping.',
  ),
  'kubernetes.sync_timeout_ms': key(
    milliseconds(100, HOUR_MS),
    30_000,
    'For pod_source = kubernetes: how long the agent waits for the first lists of Pods, Services and EndpointSlices when it starts.',
  ),
  'kubernetes.stale_after_ms': key(
    milliseconds(1000, HOUR_MS),
    60_000,
    'For pod_source = kubernetes: after this long without the API server the agent says that it is not ready. It goes on with the mapping that it has.',
  ),
  netlink_protocol: key(
    integer({ min: 0, max: 31 }),
    31,
    'Netlink protocol number of the TLSHub kernel module (used by mode = tlshub).',
  ),
  log_level: key(choice('debug', 'info', 'warning', 'error'), 'info', 'Least severe message that is logged.'),
  verbose: key(boolean, false, 'Human log lines carry all fields, and errors their stack. JSON log lines always do.'),
  policy: key(
    choice('strict', 'permissive'),
    'strict',
    'What becomes of a connection whose peer is not in the mapping: strict refuses it, permissive lets it go in plaintext and counts it. Peers in the mapping are always secured or refused.',
  ),
  policy_exclude: key(
    policyRules('exclude'),
    [],
    'Connections that go in plaintext though their peer is in the mapping, or under strict though it is not. A rule without a port is about connections one of whose ends is in its network, one with a port about connections to a server there. The longest prefix decides, then a port, then policy_require. docs/POLICY.md has examples.',
  ),
  policy_require: key(
    policyRules('require'),
    [],
    'Connections that must be secured, also under permissive and with policy_same_node = plaintext: they are refused if the peer is not in the mapping. Rules as in policy_exclude.',
  ),
  policy_same_node: key(
    choice('secure', 'plaintext'),
    'secure',
    "Connections between two pods of this node, by the mapping of both addresses: secured like any other, or left in plaintext since they never leave the host. An address that other nodes' pods have as well is not taken for this node's.",
  ),
  marker: key(
    boolean,
    true,
    'Write and heed the marker, a TCP option by which the agents of two nodes tell each other what they are going to do with a connection. It makes refusals quicker and their reasons clearer (docs/POLICY.md), and exchange = channel needs it. A SYN that has to be sent again goes without.',
  ),
  exchange: key(
    choice('channel', 'in-band'),
    'channel',
    'How two agents agree on the keys of a connection, with mode = openssl and boringssl. channel: by one handshake for each pair of nodes and period, from which both know the keys of each connection without a word; where that is not possible, in-band. in-band: by a handshake on the connection itself. Where this is not set, channels begin when node_endpoints or channel_listen is: a configuration that has none of the three opens no port for them.',
    { defaultNote: 'channel if node_endpoints or channel_listen is set and marker is true, else in-band' },
  ),
  channel_listen: key(
    optionalListenAddress,
    `[::]:${CHANNEL_PORT}`,
    "Where other nodes' agents reach this one for a channel; a port is opened only with exchange = channel. Empty: nowhere, and connections from them are in-band.",
  ),
  channel_epoch_ms: key(
    milliseconds(2000, HOUR_MS),
    120_000,
    "How long one handshake of a channel gives keys to new connections; ten seconds later what it gave is forgotten at both ends. Who takes hold of an agent's memory can open the connections of that long, so a longer time is for fewer handshakes alone. The same on all nodes: between two with different times some seconds of each period are in-band.",
  ),
  node_endpoints: key(
    optionalPath,
    '',
    `Where the agents of other nodes are to be reached for a channel: a file with \`node address[:port]\`, one node a line; the port is ${CHANNEL_PORT} where none is given. Connections to a node that is not in it are in-band. Empty: with pod_source = kubernetes the addresses of the nodes that the Pods run on, else none. Only with exchange = channel.`,
  ),
  node_name: key(
    nodeName,
    defaultNodeName(),
    "This node's name: as in the mapping's second column, and the DNS SAN of its certificate.",
    { defaultNote: "the host's name", restart: "it is the node's identity towards its peers" },
  ),
  'capture.cgroup': key(
    cgroupPatterns,
    ['/sys/fs/cgroup/tlshub'],
    'Cgroups (version 2) whose connections are captured, with all below them. A program is captured from its first connection after it was put there. Cgroups that match and appear later are captured as they appear, and one that does not exist yet is waited for. A pattern that ends in /* or /** is captured as the folder in front of it, so that its new children are captured from the moment they exist; one that matches more than 64 as the folder in front of its wildcards.',
  ),
  'tls.ca': key(path, '/etc/tlshub/pki/ca.crt', 'PEM file with the CAs whose nodes are trusted.'),
  'tls.cert': key(
    path,
    '/etc/tlshub/pki/node.crt',
    "PEM file with this node's certificate, then intermediates if any.",
  ),
  'tls.key': key(
    path,
    '/etc/tlshub/pki/node.key',
    "PEM file with this node's private key; only root should be able to read it.",
  ),
  'tls.watch': key(
    boolean,
    true,
    'Take new files of tls.ca, tls.cert and tls.key up by itself, all together and checked as by a reload, once they have been left alone for some seconds. Half-written files and halves of a pair are never put in force. false: only at a reload.',
  ),
  'tls.ciphers': key(
    choices('TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'),
    ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
    'TLS 1.3 cipher suites, in order of preference; all three exist in kernel TLS. BoringSSL offers all three and chooses by itself (AES where the processor has it): with mode = boringssl the order has no effect, and a handshake that ends in a suite not listed is refused.',
  ),
  'tls.groups': key(
    choices('X25519MLKEM768', 'X25519', 'P-256', 'P-384'),
    ['X25519MLKEM768', 'X25519'],
    'Key exchanges of a channel, in order of preference; what the TLS library does not have is left out. X25519MLKEM768 is a hybrid that a quantum computer does not open either: OpenSSL has it from 3.5 on. Only with exchange = channel.',
  ),
  'tls.resumption': key(
    boolean,
    false,
    'Resume sessions with nodes that a connection was made to before (TLS 1.3, psk_dhe_ke, no early data): such a handshake needs no certificates. Names are checked all the same, and after an hour, or after new credentials, there is a full handshake again. Only between nodes that both have it.',
  ),
  ...poolKeys('openssl', 'OpenSSL'),
  ...poolKeys('boringssl', 'BoringSSL'),
  ...poolKeys('tlshub', 'TLSHub'),
  'tlshub.sockets': key(
    integer({ min: 2, max: 1024 }),
    32,
    'Netlink sockets of one worker. Each has one request under way; handshakes never take all of them.',
  ),
  'tlshub.cipher': key(
    choice('TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'),
    'TLS_AES_128_GCM_SHA256',
    'Cipher of connections whose keys TLSHub gives. The two ends do not negotiate it: it must be the same on all nodes.',
  ),
  'tlshub.peer_port_id': key(
    integer({ min: 0, max: 4_294_967_295 }),
    0,
    'For tests only: the netlink port id that answers, if it is not the kernel (0). A process that answers instead gives all the keys.',
  ),
  handshake_timeout_ms: key(
    milliseconds(10, HOUR_MS),
    5000,
    'A peer that is silent for longer is given up and the connection refused: from the beginning of its handshake, and only if its marker does not say that it has an agent. One that has may be waiting for its own processor, and has until overload_timeout_ms.',
  ),
  overload_timeout_ms: key(
    milliseconds(0, HOUR_MS),
    60_000,
    "How long a connection may wait for the processor, this node's or its peer's, when there are more than can be secured at once. They are served in order; one that will not be served in time is refused (TLSHUB_OVERLOAD).",
  ),
  hold_timeout_ms: key(
    milliseconds(10, HOUR_MS),
    10000,
    'A connection that is held for longer than this and overload_timeout_ms together is refused, by the gate itself, whatever the agent does. At least handshake_timeout_ms.',
  ),
  hold: key(
    choice('auto', 'sleep', 'stop'),
    'auto',
    'How a caller is held. sleep: its thread alone sleeps in the kernel, and nothing else of its process notices (Linux 6.8 and later). stop: its whole process stands still (SIGSTOP). auto: sleep where the kernel can, else stop.',
    { restart: 'the programs are attached once' },
  ),
  hold_nonblocking_ms: key(
    milliseconds(0, HOUR_MS),
    1000,
    'How long calls that do not want to block may sleep all the same for one connection, before they hear EAGAIN: plain TCP takes the first bytes after a connect and has some for who was told "readable", and programs rely on both. At most hold_timeout_ms. Only with hold = sleep.',
  ),
  silent_peer_timeout_ms: key(
    milliseconds(1, HOUR_MS),
    1000,
    'How long a blocking program may be held for a peer that has not sent a single byte. At most hold_timeout_ms.',
  ),
  revoke_on_reload: key(
    boolean,
    false,
    'What becomes of connections that were made before a reload, if the new policy or mapping forbids them: true ends them, false leaves those alone that are secured or let go already, and judges those in hold by what was in force when they began.',
  ),
  drain_timeout_ms: key(
    milliseconds(0, HOUR_MS),
    5000,
    'On SIGTERM and SIGINT: how long handshakes under way may take to finish before they are aborted.',
  ),
  shutdown: key(
    choice('hand-over', 'release'),
    'hand-over',
    'What becomes of the gate on SIGTERM. hand-over: it stays shut, and what begins from then on waits for the next agent, for guardian_grace_ms. release: it is taken away, and what captured programs say from then on is in plaintext. SIGINT always releases.',
  ),
  control_socket: key(
    socketPath,
    '/run/tlshub/control.sock',
    'Unix socket for tlshubctl; its folder must belong to the agent alone (mode 0700).',
    { restart: 'the socket is made once' },
  ),
  health_listen: key(
    optionalListenAddress,
    '127.0.0.1:9465',
    'Where /healthz, /readyz and /metrics (Prometheus) are served, over plain HTTP and to whoever reaches it. Empty: off.',
    { restart: 'the endpoint is opened once' },
  ),
  bpf_pin_dir: key(
    absolutePath,
    '/sys/fs/bpf/tlshub',
    'Folder on bpffs where the gate is pinned, so that it stays shut if the agent is killed.',
    { restart: 'the gate is pinned there' },
  ),
  perf_pages: key(
    integer({ min: 1, max: 16384, powerOfTwo: true }),
    64,
    'Pages of the perf buffer for each CPU. More of them ride out longer bursts of new connections.',
    { restart: 'the perf buffer is made once' },
  ),
  ring_bytes: key(
    integer({ min: 65536, max: 1 << 30, unit: 'bytes', powerOfTwo: true }),
    1 << 20,
    'Size of each ring between two threads.',
    { restart: 'the rings are made once' },
  ),
  lease_ms: key(
    milliseconds(500, 60_000),
    2000,
    'How long the gate believes in an agent that has stopped renewing its lease; after that it stops no more processes and refuses instead.',
    { restart: 'the guardian knows it from its start' },
  ),
  guardian: key(
    boolean,
    true,
    'Run the guardian: a small process of its own that continues stopped programs if the agent dies.',
    { restart: 'it is started with the agent' },
  ),
  guardian_grace_ms: key(
    milliseconds(0, HOUR_MS),
    10000,
    'How long the guardian waits for a new agent, after a restart or a death, before it ends the connections that are still held.',
    { restart: 'the guardian knows it from its start' },
  ),
  boot_policy: key(
    choice('closed', 'open', 'off'),
    'closed',
    'What the boot gate (docs/BOOT_GATE.md), where it is installed and enabled, does from the start of this host until the agent is there. closed: captured programs are refused addresses of the mesh, as after the death of an agent, and nothing else. open: nothing is shut, which is logged. off: nothing is kept for it, and what was kept is removed.',
  ),
  state_dir: key(
    absolutePath,
    '/var/lib/tlshub',
    'Folder in which the agent keeps what the boot gate goes by: boot.state, with the captured cgroups, the policy and the addresses of the mesh, for root alone. It must be on the host, and be there before any captured program; the unit of the boot gate reads it in /var/lib/tlshub, from elsewhere with --state FILE.',
  ),
  keylog_file: key(
    optionalPath,
    '',
    'For tests only: append the secrets of every connection to this file (NSS key log format). Whoever reads it can read all the traffic. Empty: off.',
  ),
  metrics_dir: key(
    workingPath,
    '.',
    'Folder for the metrics files, perf_metrics_<unix time>.json and .csv: written at exit and on SIGUSR2.',
  ),
  metrics_connections_kept: key(
    integer({ min: 0, max: 1_000_000 }),
    10_000,
    'Connections that the metrics files list one by one: the last ones. Totals and percentiles are of all.',
    { restart: 'the list is made once' },
  ),
  ...OBSERVATION_KEYS,
  flows_kept: key(
    integer({ min: 0, max: 1_000_000 }),
    1000,
    'Closed connections that `tlshubctl flows` still shows; the oldest go first.',
  ),
} as const satisfies Record<string, KeySpec<never> | KeySpec<unknown>>;

export type KeyName = keyof typeof KEYS;
export type ValueOf<K extends KeyName> = (typeof KEYS)[K] extends KeySpec<infer T> ? T : never;

/** Values by key, as in the file. */
export type FlatConfig = { -readonly [K in KeyName]: ValueOf<K> };

export const KEY_NAMES = Object.keys(KEYS) as KeyName[];

/** The spec with its value type forgotten: for code that goes through all keys. */
export function keySpec(name: KeyName): KeySpec<unknown> {
  return KEYS[name];
}

export function isKeyName(text: string): text is KeyName {
  return Object.hasOwn(KEYS, text);
}

/** `openssl.pool_size` is TLSHUB_OPENSSL_POOL_SIZE in the environment. */
export function environmentName(name: KeyName): string {
  return `TLSHUB_${name.toUpperCase().replaceAll('.', '_')}`;
}
