// SPDX-License-Identifier: Apache-2.0
/** Channels with the kernel's maps, the maker of keys, the sessions' thread and the clock in memory. */
import type { Logger } from '../../src/logging/logger.js';
import { NodeEndpoints } from '../../src/mapping/node-endpoints.js';
import type { Agreement } from '../../src/shared/kernel/abi.js';
import type { EpochKeys, EpochSide } from '../../src/shared/kernel/kernel-addon.js';
import type { SecretHandle } from '../../src/shared/kernel/words.js';
import type { EpochKernel } from '../../src/supervisor/provider/epoch-places.js';
import { Channels, type ChannelSettings } from '../../src/supervisor/provider/channels.js';
import type { NamedFlow } from '../../src/supervisor/provider/keys-by-name.js';
import type { EpochTerms, SessionName, Sessions } from '../../src/supervisor/provider/sessions.js';
import { memoryLogger, type LogLine } from './memory-logger.js';

const CIPHER = 'TLS_AES_128_GCM_SHA256';

/** What the kernel names, and the secrets that there are; `order` has what was done, in order. */
export class FakeEpochs implements EpochKernel, EpochKeys {
  readonly order: string[] = [];
  readonly named = new Map<number, { untilNs: bigint; given: number }>();
  readonly nodeNames = new Map<number, { epoch: number; untilNs: bigint }>();
  readonly secrets = new Set<string>();
  readonly discarded: SecretHandle[] = [];
  readonly taken = new Set<string>();
  full = false;
  closed = false;

  putEpoch(_fd: number, id: number, untilNs: bigint): void {
    if (this.full) throw new Error('the map is full');
    this.order.push(`name ${id}`);
    this.named.set(id, { untilNs, given: 0 });
  }
  dropEpoch(_fd: number, id: number): void {
    if (this.named.delete(id)) this.order.push(`unname ${id}`);
  }
  numbersGiven(_fd: number, id: number): number {
    return this.named.get(id)?.given ?? 0;
  }
  putNodeEpoch(_fd: number, node: number, epoch: number, untilNs: bigint): void {
    this.order.push(`name ${epoch} of ${node}`);
    this.nodeNames.set(node, { epoch, untilNs });
  }
  dropNodeEpoch(_fd: number, node: number, epoch: number): void {
    if (this.nodeNames.get(node)?.epoch !== epoch) return;
    this.nodeNames.delete(node);
    this.order.push(`unname ${epoch} of ${node}`);
  }
  discardSecret(handle: SecretHandle): void {
    this.discarded.push(handle);
  }

  add(side: EpochSide, epoch: number, opener: string, listener: string): void {
    this.secrets.add(`${side} ${side === 'opened' ? listener : opener} ${epoch}`);
    this.order.push(`add ${epoch}`);
  }
  addOwn(epoch: number, node: string): void {
    this.secrets.add(`opened ${node} ${epoch}`).add(`accepted ${node} ${epoch}`);
    this.order.push(`add ${epoch}`);
  }
  forget(side: EpochSide, peer: string, epoch: number): void {
    if (this.secrets.delete(`${side} ${peer} ${epoch}`)) this.order.push(`forget ${epoch}`);
  }
  derive(side: EpochSide, peer: string, { epoch, number }: Agreement): ReturnType<EpochKeys['derive']> {
    const key = `${side} ${peer} ${epoch}`;
    if (!this.secrets.has(key)) return 'unknown';
    if (side === 'accepted' && this.taken.has(`${key} ${number}`)) return 'taken';
    this.taken.add(`${key} ${number}`);
    return { secrets: 900 + number, cipher: CIPHER, peerName: peer };
  }
  close(): void {
    this.closed = true;
    this.secrets.clear();
  }
}

export class FakeSessions implements Sessions {
  readonly library = 'openssl';
  readonly opens: { address: string; port: number; node: string; epoch: number }[] = [];
  readonly calls: string[] = [];

  open(target: FakeSessions['opens'][number]): void {
    this.opens.push(target);
  }
  accept(session: number): void {
    this.calls.push(`accept ${session}`);
  }
  reject(session: number, why: string): void {
    this.calls.push(`reject ${session}: ${why}`);
  }
  numberTaken(session: number, number: number): void {
    this.calls.push(`number ${number} of ${session} is taken`);
  }
  close(name: SessionName, why: string): void {
    this.calls.push(`close ${'opened' in name ? name.opened : `session ${name.accepted}`}: ${why}`);
  }
}

export class ChannelWorld {
  readonly epochs = new FakeEpochs();
  readonly sessions = new FakeSessions();
  readonly lines: LogLine[];
  readonly log: Logger;
  readonly channels: Channels;
  readonly numbers = new Map<string, number>();
  nowMs = 5_000_000;
  private readonly secretOf = { next: 1 };

  constructor(ownName = 'a') {
    const { log, lines } = memoryLogger();
    this.lines = lines;
    this.log = log;
    this.channels = new Channels({
      ...{ ownName, kernel: this.epochs, fds: { epochs: 1, nodeEpochs: 2 }, keys: this.epochs, log, firstId: 100 },
      numberOf: (node) => this.numberOf(node),
      clock: () => this.nowMs,
    });
    this.channels.change(settings());
    this.channels.use(this.sessions, true);
  }

  numberOf(node: string): number {
    const known = this.numbers.get(node) ?? this.numbers.size + 1;
    this.numbers.set(node, known);
    return known;
  }

  /** Time goes by, with a tick each second. */
  pass(seconds: number): void {
    for (let i = 0; i < seconds; i++) {
      this.nowMs += 1000;
      this.channels.tick();
    }
  }

  /** The last session that was to be opened is open. Returns its epoch. */
  opened(from: Sessions = this.sessions): number {
    const last = this.sessions.opens.at(-1);
    if (last === undefined) throw new Error('nothing was to be opened');
    const terms: EpochTerms = { epoch: last.epoch, opener: 'a', listener: last.node, cipher: CIPHER, group: 'X25519' };
    this.channels.hear({ type: 'open', name: { opened: last.epoch }, secret: this.secretOf.next++, ...terms }, from);
    return last.epoch;
  }

  /** A peer proposes an epoch, and if it is taken it is open. */
  accepted(session: number, epoch: number, opener = 'b'): void {
    const terms: EpochTerms = { epoch, opener, listener: 'a', cipher: CIPHER, group: 'X25519' };
    this.channels.hear({ type: 'proposed', session, ...terms }, this.sessions);
    if (!this.sessions.calls.includes(`accept ${session}`)) return;
    const secret = this.secretOf.next++;
    this.channels.hear({ type: 'open', name: { accepted: session }, secret, ...terms }, this.sessions);
  }

  ended(name: SessionName, code = ''): void {
    const error = code === '' ? undefined : { code, reason: `because of ${code}` };
    this.channels.hear({ type: 'ended', name, error }, this.sessions);
  }

  /** So many numbers of it have been given. */
  give(epoch: number, given: number): void {
    const entry = this.epochs.named.get(epoch);
    if (entry === undefined) throw new Error(`the kernel does not name epoch ${epoch}`);
    entry.given = given;
  }
}

export function settings(nodes: string[] = ['a', 'b', 'c'], endpoints = 'b 10.0.0.2\nc 10.0.0.3\n'): ChannelSettings {
  return { nodes: new Set(nodes), endpoints: NodeEndpoints.parse(endpoints), ownCipher: CIPHER, epochMs: 120_000 };
}

export function flowOf(role: 'active' | 'passive', epoch: number, number = 1, peerNodes = ['b']): NamedFlow {
  const tuple = { local: new Uint8Array(16), remote: new Uint8Array(16), lport: 1, rport: 2 };
  return { role, agreed: { what: 'direct', epoch, number }, tuple, iss: 1, irs: 2, peerNodes };
}
