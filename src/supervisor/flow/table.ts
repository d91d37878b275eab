// SPDX-License-Identifier: Apache-2.0
/**
 * The flows that the agent has in mind, by socket cookie. A socket that is disconnected and connects again is the same cookie in a higher generation: a new flow,
 * whose predecessor may still have to give its descriptor back, so work under way is found by ticket and not by cookie.
 *
 * Bounded: flows that are over are kept, oldest out first, up to `kept`. Among them are tombstones, flows whose CLOSED event came before
 * everything else; without them a late ESTABLISHED would bring a dead flow to life. Of the secured ones only the last are here: how one was
 * secured is with its socket, in the kernel (unloaded.ts), and costs the agent nothing.
 */
import type { FlowReport, FlowState } from '../../report/flow.js';
import { formatAddress } from '../../shared/net/address.js';
import type { Agreement, Hold, OwnerRecord, Traffic, Tuple } from '../../shared/kernel/abi.js';
import { FlowClass, Intent } from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import type { Held } from '../../shared/ipc/messages.js';
import type { CipherName, Role } from '../../shared/kernel/words.js';
import { epochOf, exchangeOf } from './exchange.js';
import { intentText } from './marker.js';
import { INITIAL, remedyOf, type MachineState } from './machine.js';
import type { NamedKeys, NoKeys } from '../provider/keys-by-name.js';
import type { Negotiation } from '../provider/provider.js';

export interface Flow {
  readonly cookie: bigint;
  readonly generation: number;
  readonly role: Role;
  readonly class: number;
  readonly tuple: Tuple;
  /** id of the cgroup that the socket was made in */
  readonly cgroup: bigint;
  /** initial sequence numbers, ours and the peer's; 0 until the connection is established */
  iss: number;
  irs: number;
  /** CLOCK_MONOTONIC nanoseconds; seenNs: when we learned of it */
  readonly seenNs: number;
  createdNs: number;
  establishedNs: number;
  /** what the peer's marker said, see Intent */
  peerIntent: number;
  /** what both ends have named; undefined: nothing, or it is not established yet */
  agreed: Agreement | undefined;
  /** what came of it, from when it is established; `none`: nothing more, the keys are the installer's or there are to be none */
  named: NamedKeys | NoKeys | 'none' | undefined;
  /** who connected or accepted, for reports */
  owner: OwnerRecord | undefined;
  /** who was last seen with the socket: where to take it from */
  holder: OwnerRecord | undefined;
  machine: MachineState;
  /** a helper is taking its socket */
  taking: boolean;
  /** our descriptor, from when it was taken until the installer has closed it */
  held: Held | undefined;
  /** whom the helpers' time is charged to, see Charges; 0: nobody yet */
  charge: number;
  /** CLOCK_MONOTONIC nanoseconds: between these two we came to have it */
  takeBegunNs: number;
  takenNs: number;
  /** of the work that the installer does for it without a descriptor */
  ticket: number;
  negotiation: Negotiation | undefined;
  /** the socket's connection before this one, while it has our descriptor still */
  predecessor: Flow | undefined;
  /** an earlier agent began a handshake on it: nobody can go on from there */
  tainted: boolean;
  /** nodes that the peer may be, by the mapping that was in force when the flow began, and the words for it */
  peerNodes: readonly string[];
  peerReason: string;
  pod: string | null;
  /** CLOCK_MONOTONIC nanoseconds by which it must be secured; 0: nobody waits for it yet */
  dueNs: number;
  provider: string | null;
  /** what the peer proved to be */
  peerNode: string | null;
  cipher: CipherName | null;
  tlsVersion: string | null;
  kernelUlp: string | null;
  /** how its callers were held, as last seen */
  hold: Hold;
  secured: boolean;
  /** sweeps in a row that did not see it */
  missed: number;
  /** CLOCK_MONOTONIC nanoseconds, 0: not yet. The provider was asked; the gate opened; TCP closed */
  askedNs: number;
  openedNs: number;
  closedNs: number;
  /** sk_err of a connection that had been made, when TCP closed: it was reset, or timed out; 0: neither */
  closedErrno: number;
  synMs: number | null;
  holdMs: number | null;
  dispatchMs: number | null;
  queueMs: number | null;
  negotiationMs: number | null;
  installMs: number | null;
  /** a negotiation has failed, and all that the peer can have sent by then is its part of the handshake */
  handshakeOnly: boolean;
  /** as last seen; undefined: not known */
  traffic: Traffic | undefined;
}

/** What a flow is made from: the common part of events and sweep records. */
export interface FlowSeed {
  cookie: bigint;
  generation: number;
  role: Role;
  class: number;
  tuple: Tuple;
  iss: number;
  irs: number;
  createdNs: number;
  establishedNs: number;
  peerIntent: number;
  agreed?: Agreement | undefined;
  cgroup: bigint;
}

export function createFlow(seed: FlowSeed, nowNs: number): Flow {
  return {
    cookie: seed.cookie,
    generation: seed.generation,
    role: seed.role,
    class: seed.class,
    tuple: seed.tuple,
    cgroup: seed.cgroup,
    iss: seed.iss,
    irs: seed.irs,
    seenNs: nowNs,
    createdNs: seed.createdNs,
    establishedNs: seed.establishedNs,
    peerIntent: seed.peerIntent,
    agreed: seed.agreed,
    named: undefined,
    owner: undefined,
    holder: undefined,
    machine: INITIAL,
    taking: false,
    held: undefined,
    charge: 0,
    takeBegunNs: 0,
    takenNs: 0,
    ticket: 0,
    negotiation: undefined,
    predecessor: undefined,
    tainted: false,
    peerNodes: [],
    peerReason: '',
    pod: null,
    dueNs: 0,
    provider: null,
    peerNode: null,
    cipher: null,
    tlsVersion: null,
    kernelUlp: null,
    hold: 'none',
    secured: false,
    missed: 0,
    askedNs: 0,
    openedNs: 0,
    closedNs: 0,
    closedErrno: 0,
    synMs: synMs(seed),
    holdMs: null,
    dispatchMs: null,
    queueMs: null,
    negotiationMs: null,
    installMs: null,
    handshakeOnly: false,
    traffic: undefined,
  };
}

/** From the SYN or SYN-ACK to established; null as long as it is not, or where TCP could not say. */
export function synMs({ createdNs, establishedNs }: Pick<FlowSeed, 'createdNs' | 'establishedNs'>): number | null {
  return createdNs > 0 && establishedNs > createdNs ? (establishedNs - createdNs) / 1e6 : null;
}

/** The state that people see. */
export function stateOf(flow: Flow): FlowState {
  const { phase, verdict } = flow.machine;
  if (verdict !== undefined) return verdict.state;
  if (phase === 'secured') return 'secured';
  if (flow.class === FlowClass.PLAINTEXT) return 'plaintext';
  if (phase === 'negotiating' || phase === 'installing') return 'negotiating';
  return 'held';
}

/** What `tlshubctl flows` shows, and a few fields more for tests and tools. */
export interface DetailedFlowReport extends FlowReport {
  generation: number;
  /** nodes that the peer may be, by the mapping */
  peerNodes: readonly string[];
  /** what the marker in the peer's handshake said, in words; null: there was none */
  peerMarker: string | null;
  /** the kernel encrypted both directions; stays true when it has closed */
  secured: boolean;
}

/** Addresses and ports go from the side that connected (src) to the side that accepted (dst), on both nodes alike. */
export function reportOf(flow: Flow): DetailedFlowReport {
  const { tuple, machine } = flow;
  const passive = flow.role === 'passive';
  return {
    cookie: flow.cookie.toString(),
    generation: flow.generation,
    role: flow.role,
    src: formatAddress(passive ? tuple.remote : tuple.local),
    sport: passive ? tuple.rport : tuple.lport,
    dst: formatAddress(passive ? tuple.local : tuple.remote),
    dport: passive ? tuple.lport : tuple.rport,
    pid: flow.owner?.tgid ?? null,
    comm: flow.owner?.comm ?? null,
    pod: flow.pod,
    peerNode: flow.peerNode,
    peerNodes: flow.peerNodes,
    provider: flow.provider,
    exchange: exchangeOf(flow),
    epoch: epochOf(flow),
    cipher: flow.cipher,
    tlsVersion: flow.tlsVersion,
    state: stateOf(flow),
    reason: machine.verdict?.reason ?? (flow.class === FlowClass.PLAINTEXT ? flow.peerReason : ''),
    code: machine.verdict?.code ?? '',
    remedy: machine.verdict === undefined ? '' : remedyOf(machine.verdict),
    ageMs: Math.max(0, Math.round((monotonicNs() - (flow.createdNs || flow.seenNs)) / 1e6)),
    secured: flow.secured,
    synMs: flow.synMs,
    holdMs: flow.holdMs,
    dispatchMs: flow.dispatchMs,
    queueMs: flow.queueMs,
    negotiationMs: flow.negotiationMs,
    installMs: flow.installMs,
    bytesSent: flow.traffic?.sent ?? null,
    bytesReceived: flow.traffic?.received ?? null,
    kernelUlp: flow.kernelUlp,
    hold: flow.hold,
    peerMarker: flow.peerIntent === Intent.UNKNOWN ? null : intentText(flow.peerIntent),
  };
}

/** `10.0.0.1:4711 -> 10.0.0.2:80` as the connection was made, for log lines. */
export function tupleText(flow: Flow): string {
  const { local, remote, lport, rport } = flow.tuple;
  const end = (address: Uint8Array, port: number): string => {
    const text = formatAddress(address);
    return text.includes(':') ? `[${text}]:${port}` : `${text}:${port}`;
  };
  return flow.role === 'passive'
    ? `${end(remote, rport)} -> ${end(local, lport)}`
    : `${end(local, lport)} -> ${end(remote, rport)}`;
}

/** Secured flows that stay for the events that are still under way, and for a look at what was just connected. */
const SECURED_KEPT = 64;

/** Told what comes into a table and what goes. */
export interface TableWatcher {
  entered(flow: Flow): void;
  /** a secured flow is unloaded: its socket remembers it */
  left(flow: Flow): void;
  /** nothing more will happen to it */
  over(flow: Flow): void;
}

/** Has it our descriptor, or is it about to? */
export function isBusy(flow: Pick<Flow, 'held' | 'taking'>): boolean {
  return flow.taking || flow.held !== undefined;
}

export class FlowTable {
  /** the newest generation of each socket */
  private readonly current = new Map<bigint, Flow>();
  private readonly byTicket = new Map<number, Flow>();
  /** flows that are over, oldest first (Sets keep insertion order) */
  private readonly over = new Set<Flow>();
  /** flows that may be unloaded, oldest first */
  private readonly settled = new Set<Flow>();

  /** @param kept flows that are over, at most; asked each time */
  constructor(
    private readonly kept: () => number,
    private readonly watcher?: TableWatcher,
  ) {}

  get(cookie: bigint): Flow | undefined {
    return this.current.get(cookie);
  }

  /** Makes this the socket's current flow. An older generation leaves the table, but not its work under way. */
  add(flow: Flow): void {
    const before = this.current.get(flow.cookie);
    if (before !== undefined) {
      this.over.delete(before);
      this.settled.delete(before);
      flow.predecessor = isBusy(before) ? before : before.predecessor;
    }
    this.current.set(flow.cookie, flow);
    this.watcher?.entered(flow);
  }

  bindTicket(ticket: number, flow: Flow): void {
    this.byTicket.set(ticket, flow);
  }

  takeTicket(ticket: number): Flow | undefined {
    const flow = this.byTicket.get(ticket);
    this.byTicket.delete(ticket);
    return flow;
  }

  /** Says that it is secured, and that its socket remembers how. */
  settle(flow: Flow): void {
    if (!this.isLive(flow)) return;
    this.settled.add(flow);
    for (const oldest of this.settled) {
      if (this.settled.size <= SECURED_KEPT) break;
      this.remove(oldest);
      this.watcher?.left(oldest);
    }
  }

  /** Takes a flow out that the kernel knows as secured. */
  remove(flow: Flow): void {
    this.settled.delete(flow);
    this.current.delete(flow.cookie);
  }

  /** Says that nothing more will happen to it. */
  retire(flow: Flow): void {
    this.settled.delete(flow);
    if (this.current.get(flow.cookie) !== flow) return;
    this.over.delete(flow);
    this.over.add(flow);
    this.watcher?.over(flow);
    const kept = this.kept();
    while (this.over.size > kept) {
      const [oldest] = this.over;
      if (oldest === undefined) break;
      this.over.delete(oldest);
      this.current.delete(oldest.cookie);
    }
  }

  /** True while something may still happen to it. */
  isLive(flow: Flow): boolean {
    return this.current.get(flow.cookie) === flow && !this.over.has(flow);
  }

  /** Live and kept flows, in the order they were first seen. */
  all(): IterableIterator<Flow> {
    return this.current.values();
  }

  /** Flows that have not ended. */
  *live(): Generator<Flow> {
    for (const flow of this.all()) if (flow.machine.phase !== 'done') yield flow;
  }

  /** Flows for which something is still to be done: neither secured nor over, nor waiting for a program to accept them. */
  pending(): Flow[] {
    return [...this.all()].filter((flow) => {
      const { phase } = flow.machine;
      if (phase === 'waiting') return flow.class === FlowClass.MESH && flow.dueNs > 0;
      return phase !== 'secured' && phase !== 'done';
    });
  }

  /** Flows with work at the installer or a descriptor of ours, older generations included. */
  get pendingTickets(): number {
    return this.byTicket.size;
  }

  get size(): number {
    return this.current.size;
  }

  get overCount(): number {
    return this.over.size;
  }
}
