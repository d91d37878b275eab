// SPDX-License-Identifier: Apache-2.0
/** What the TLSHub module says, for people. */
import type { ModuleFlow, ModuleNode, ModulePeer } from '../tlshub/module/control.js';
import { table } from './tables.js';

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** The node, and under it what was counted but nought. */
export function nodeText(node: ModuleNode): string {
  const rows = [
    ['public key', node.publicKey ?? 'none: `tlshubctl tlshub set --private-key FILE`'],
    ['listens at', node.listenPort === 0 ? 'no port' : `UDP port ${node.listenPort}`],
    ['networks of its pods', node.networks.join(', ') || 'none: `tlshubctl tlshub set --networks PREFIX`'],
    ['peers', String(node.peers)],
    ['keys', `${node.flows}, kept for ${seconds(node.lifetimeMs)}; ${node.waiters} requests wait`],
  ];
  const counted = Object.entries(node.counters).filter(([, count]) => count > 0);
  return table([...rows, ...counted.map(([name, count]) => [name, String(count)])]);
}

const PEER_COLUMNS = ['NODE', 'STATE', 'AGE', 'ENDPOINT', 'NETWORKS', 'HANDSHAKES', 'MADE', 'TAKEN', 'PUBLIC KEY'];

export function peersTable(peers: readonly ModulePeer[]): string {
  if (peers.length === 0) return 'no peers: `tlshubctl tlshub set-peer --help`';
  return table(
    peers.map((peer) => [
      peer.name,
      peer.state,
      peer.sessionAgeMs === undefined ? '-' : seconds(peer.sessionAgeMs),
      peer.endpoint ?? '-',
      peer.networks.join(',') || '-',
      String(peer.handshakes),
      String(peer.starts),
      String(peer.keysTaken),
      peer.publicKey,
    ]),
    PEER_COLUMNS,
  );
}

const KEY_COLUMNS = ['CLIENT', 'SERVER', 'ROLE', 'STATE', 'NODE', 'AGE', 'WAITING'];

export function keysTable(keys: readonly ModuleFlow[]): string {
  if (keys.length === 0) return 'no keys';
  return table(
    keys.map((key) => [
      key.client,
      key.server,
      key.role,
      key.state,
      key.peer ?? '-',
      seconds(key.ageMs),
      String(key.waiters),
    ]),
    KEY_COLUMNS,
  );
}
