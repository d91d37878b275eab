// SPDX-License-Identifier: Apache-2.0
/** What `tlshub_kernel.node` offers: BPF, sockets of other processes, kTLS. Errors: native.ts. */
import type { Agreement } from './abi.js';
import type { EndResult, Helpers, SocketOwner, TakenSocket, TupleBytes } from './helpers-addon.js';
import type { CipherName, Role, SecretHandle } from './words.js';

export interface GateOptions {
  cgroups: string[];
  settings: GateSettings;
  /** in force before the first program is attached, so that there is no moment in which a pod is unknown */
  mesh: MeshEntry[];
}

/** An address range of the mapping: 16 bytes (IPv4 as ::ffff:a.b.c.d), prefix 0..128 of that form. */
export interface MeshEntry {
  addr: Uint8Array;
  prefix: number;
  /** a pod of this node, and of no other */
  local: boolean;
  /** NodeNumbers' of the node that has it, 0: several have */
  node: number;
}

/** A rule of the policy for BPF's trie: addresses as in MeshEntry, `port` 0 for any; src/policy/rules.ts has the meaning of `rank`. */
export interface RuleEntry {
  addr: Uint8Array;
  prefix: number;
  port: number;
  rank: number;
}

export interface GateSettings {
  holdMs: number;
  silentPeerMs: number;
  /** what callers of one flow that do not want to block may sleep for it in all */
  nonblockingMs: number;
  policy: 'strict' | 'permissive';
  sameNode: 'secure' | 'plaintext';
  rules: RuleEntry[];
  emitConnect: boolean;
  /** 1 + the netlink protocol over which TLSHub's module gives out master keys, which captured programs may not ask it for; 0: none */
  keyNetlink: number;
}

/** Descriptors of the gate's maps, good in any thread. */
export interface GateFds {
  flows: number;
  verdicts: number;
  owners: number;
  stops: number;
  userStops: number;
  dups: number;
  leases: number;
  settings: number;
  mesh: number;
  events: number;
  counters: number;
  agents: number;
  sweepLink: number;
  policy: number;
  rules: number;
  secured: number;
  openRecords: number;
  /** keys by name: epochs that this node has opened, by id; those opened to it, by node; nodes whose markers arrive */
  epochs: number;
  nodeEpochs: number;
  thirdSegments: number;
  /** a pipe to the holder, which wakes who sleeps, and its other end; -1: nobody is put to sleep */
  wakes: number;
  wakesRead: number;
}

/** Of "open_records". */
export interface DueRecords {
  due: SocketOwner[];
  /** since when the oldest record that is not due has been open; 0: there is none */
  nextNs: number;
}

/** What the functions for one flow need of them. */
export type FlowFds = Pick<GateFds, 'flows' | 'verdicts' | 'stops' | 'userStops' | 'dups' | 'secured'> &
  Partial<Pick<GateFds, 'wakes' | 'openRecords'>>;
/** What a change of settings needs of them. */
export type SettingsFds = Pick<GateFds, 'settings' | 'policy' | 'rules'>;
/** What can be opened of an agent's maps by who is no agent. */
export type PinnedFds = Omit<FlowFds, 'wakes'> &
  SettingsFds &
  Pick<GateFds, 'leases' | 'mesh' | 'agents' | 'sweepLink'>;

/** CLOCK_MONOTONIC until which each is taken to be alive; 0: it has said that it is not. */
export interface Leases {
  agentUntilNs: bigint;
  guardianUntilNs: bigint;
}

/** Programs that the kernel has checked and taken in, and that run nowhere yet. */
export interface LoadedGate {
  /** callers are put to sleep; else `whyNoSleep` says why they are stopped, '' if that was asked for */
  readonly sleeps: boolean;
  readonly whyNoSleep: string;
  /**
   * Fills the maps, exempts this process, attaches, pins. Throws TLSHUB_GATE, TLSHUB_CGROUP; then an earlier agent's gate is as it was, and
   * nothing of this one is left. Once, whether it succeeds or not.
   */
  open(options: GateOptions): Gate;
}

/** The gate of this process, which stays until `detach`, or the end of the process, which leaves its pins. */
export interface Gate {
  readonly fds: GateFds;
  /** true: pins of an earlier agent were found and taken over */
  readonly adopted: boolean;
  /** Also captures a cgroup that appeared later. Throws TLSHUB_CGROUP, TLSHUB_GATE; then nothing has changed. */
  attachCgroup(path: string): void;
  /** Lets a cgroup go, whether it still exists or not. */
  detachCgroup(path: string): void;
  /** Removes links, pins and the gate; its descriptors are closed. */
  detach(): void;
}

/** A lock on the pins, until it is closed or its process ends. */
export interface PinLock {
  close(): void;
}

/** Maps of an agent that somebody else has opened, until they are closed. */
export interface OpenPins {
  readonly fds: PinnedFds;
  close(): void;
}

/** The agent's lease, renewed by a native thread until `stop`; then it runs out. It is good for ttlMs after the last beat of each thread. */
export interface Lease {
  /** for how many ms each of `beats` has not changed; 0 for one that is still 0 */
  silences(): number[];
  stop(): void;
}

/** The perf buffer. */
export interface PerfReader {
  /** an eventfd: `wake` makes a blocked `poll` return, from any thread */
  readonly wakeFd: number;
  /**
   * Blocks up to timeoutMs; writes events into the ring, tagged with their record type. Returns records written; lost counts so far in `lost`.
   * Counts in `delays` (words of 4 bytes, one more than there are bounds) how long each took from the kernel into the ring: word i is for
   * those of at most delayBounds[i], the last one for longer ones.
   */
  poll(
    ring: SharedArrayBuffer,
    delays: SharedArrayBuffer,
    timeoutMs: number,
  ): {
    records: number;
    lost: number;
    /** the ring has no room: what is left stays in the perf buffer */
    full: boolean;
  };
  close(): void;
}

/** An iterator over all sockets with flow state. */
export interface Sweep {
  /** for reading by a thread of libuv; good until `close` */
  readonly fd: number;
  /** Puts what comes next into `into`, from byte `from` on; it may end within a record. Returns how many bytes, 0: that was all. */
  read(into: Uint8Array, from: number): number;
  close(): void;
}

/** `opened`: by this node, whose connections use it; `accepted`: by the peer. */
export type EpochSide = 'opened' | 'accepted';

/** The keys of one connection, made by name. Whoever has them hands the secrets on or discards them: they do not expire. */
export interface FlowKeys {
  secrets: SecretHandle;
  cipher: CipherName;
  peerName: string;
}

/** The epochs that keys are made of, until `close`, which wipes all. */
export interface EpochKeys {
  /** Takes the secret. Throws if there is one of this peer with this id: its numbers are used. Both names as the opener writes them. */
  add(side: EpochSide, epoch: number, opener: string, listener: string, cipher: CipherName, secret: SecretHandle): void;
  /** One for connections within the node, opened and accepted, with a secret of its own. */
  addOwn(epoch: number, node: string, cipher: CipherName): void;
  /** Wipes its secret. No error if it is gone. @param peer the listener of one that was opened here, the opener of another */
  forget(side: EpochSide, peer: string, epoch: number): void;
  /**
   * `unknown`: there is no such epoch (any more). `taken`: its number has made keys before, and makes none again.
   * @param iss,irs this end's initial sequence number, and the peer's
   */
  derive(
    side: EpochSide,
    peer: string,
    agreement: Agreement,
    tuple: TupleBytes,
    iss: number,
    irs: number,
  ): FlowKeys | 'unknown' | 'taken';
  close(): void;
}

/** The memory for secrets of the whole process. */
export interface SecretMemory {
  bytes: number;
  /** of these, those that are never written to swap */
  lockedBytes: number;
  /** in it now */
  secrets: number;
  /** that nobody came for, since the start */
  expired: number;
  /** why some of it is not locked, '' for nothing */
  problem: string;
}

export interface FlowRecord {
  cookie: bigint;
  generation: number;
  role: Role;
  establishedNs: bigint;
  firstHeldNs: bigint;
  refused: number;
  heldCalls: number;
  agentTx: number;
}

export interface ProbeResult {
  name: string;
  ok: boolean;
  detail: string;
  remedy: string;
}

export interface SocketPeer {
  /** in our user namespace */
  uid: number;
  gid: number;
  /** in our PID namespace; 0: it has none there */
  pid: number;
  /** version 2, as /proc/PID/cgroup has it; '': cannot be told, also because the process has ended */
  cgroup: string;
}

/** `tlshub_kernel.node`: BPF, sockets of other processes, kTLS. */
export interface KernelAddon {
  /** the hash of the bpf/tlshub.h that the addon was compiled with: see checkAbi in abi.ts */
  abi(): string;
  probe(): ProbeResult[];
  /** Who is at the other end of a connected Unix socket. */
  peerOf(fd: number): SocketPeer;

  /**
   * Has the kernel check and take in the BPF object, beside this thread: seconds on a slow machine. An earlier agent's gate stays as it is.
   * One a process. Rejects with TLSHUB_GATE.
   * @param pinDir folder on bpffs for links and maps, made with 0700
   * @param sleepPath the object that puts callers to sleep, '': they are stopped. One that this kernel does not take is no error: LoadedGate.sleeps
   */
  loadGate(objectPath: string, pinDir: string, sleepPath: string): Promise<LoadedGate>;
  /** All of them at once: no decision is made by a mixture of old and new rules. Takes an RCU grace period, some milliseconds. */
  updateSettings(fds: SettingsFds, settings: GateSettings): void;
  /** What the marker says of connections that are to be secured, see Intent in abi.ts; 0: no markers. */
  setIntent(settingsFd: number, intent: number): void;
  /** Are keys by name offered and agreed to? It stays as it is in the gate until it is said again, by a later agent as well. */
  setChannel(settingsFd: number, on: boolean): void;
  /** An epoch of ours takes new flows until then (CLOCK_MONOTONIC). Once for each id; @throws NativeError EEXIST: its numbers would be given again */
  putEpoch(epochsFd: number, epoch: number, untilNs: bigint): void;
  /** One that is not there is no error. */
  dropEpoch(epochsFd: number, epoch: number): void;
  /** How many numbers of it were given; 0 if it is not there. */
  numbersGiven(epochsFd: number, epoch: number): number;
  /** The newest epoch that this node (NodeNumbers) has opened to us. */
  putNodeEpoch(nodeEpochsFd: number, node: number, epoch: number, untilNs: bigint): void;
  /** Only if it still is this epoch. */
  dropNodeEpoch(nodeEpochsFd: number, node: number, epoch: number): void;
  /** All of them. A gate that is opened has done so with what an earlier agent left. */
  clearEpochs(fds: Pick<GateFds, 'epochs' | 'nodeEpochs' | 'thirdSegments'>): void;
  /** Where connections' keys by name are made. */
  openEpochKeys(): EpochKeys;
  /** Adds entries to the mesh, or gives those that are there another value; one that is there is never missing in between. */
  putMesh(meshFd: number, entries: MeshEntry[]): void;
  /** Takes entries out; one that is not there is no error. */
  dropMesh(meshFd: number, entries: MeshEntry[]): void;
  counters(countersFd: number): Record<string, number>;
  /** Keeps other agents away from the folder. Undefined: another agent works on its pins. Throws TLSHUB_GATE, TLSHUB_SYS. */
  lockAgent(pinDir: string): PinLock | undefined;
  /** Keeps agents away from the folder. Undefined: an agent or a guardian works on its pins. */
  lockPins(pinDir: string): PinLock | undefined;
  /** Throws TLSHUB_RELEASE_LAYOUT if they are of another version, TLSHUB_SYS if one is missing. */
  openPins(pinDir: string): OpenPins;
  readLeases(leasesFd: number): Leases;
  /** The calls of this process pass the gate. */
  exemptSelf(agentsFd: number): void;
  /** From now on no address is one of the mesh. */
  clearMesh(meshFd: number): void;
  /** Takes the pins of a dead agent away: its gate opens. Returns how many there were. */
  releasePins(pinDir: string): number;

  /** @param beats on shared memory: each changes as long as its thread works, and is 0 before that has begun */
  startLease(leasesFd: number, ttlMs: number, everyMs: number, beats: Uint32Array): Lease;

  /** delayBounds: ascending nanoseconds, see PerfReader.poll */
  openReader(eventsFd: number, pagesPerCpu: number, delayBounds: Float64Array): PerfReader;
  /** Writes to an eventfd, such as a reader's wakeFd. */
  wake(fd: number): void;

  /** A thread's helpers. @param parentFd of `helperParentPair` @param fds for all but `peek` */
  openHelpers(parentFd: number, fds?: FlowFds): Helpers;
  /** Our end and the other one, of the parent of all helpers (native/helper). Ours to close. */
  helperParentPair(): [number, number];
  /** As `Helpers.take`, without the claim. For who is no agent: it may wait for the program that has the socket, as `refuse` and `releaseSocket`. */
  takeSocket(fds: FlowFds, owner: SocketOwner): TakenSocket;
  /** Closes a taken socket's descriptor and continues who stood still for that; returns how many. */
  releaseSocket(fds: FlowFds, fd: number, cookie: bigint): number;
  refuse(fds: FlowFds, fd: number, cookie: bigint, generation: number, tgid: number): EndResult;
  /** Closes a descriptor that no other function here closes: one of `loopbackPair`. */
  closeFd(fd: number): void;
  /** Keeps allocator and kernel from holding on to memory that is not used. For the whole process, once, when it starts. */
  boundMemory(): void;
  /** Gives back what the allocator has free, of the whole process; about a millisecond. */
  trimMemory(): void;
  /** No core dumps from here on, and nobody may look at this process's memory but who has CAP_SYS_PTRACE. Once, when it starts. */
  protectSecrets(): SecretMemory;
  secretMemory(): SecretMemory;
  /** Wipes what nobody will take. No error if it is gone. */
  discardSecret(handle: SecretHandle): void;
  /** Wipes what was left longer ago than this and not taken; returns how many. */
  expireSecrets(milliseconds: number): number;
  /** Two connected TCP sockets over 127.0.0.1, ours to close. */
  loopbackPair(): [number, number];
  /** Sets a key of this cipher on a loopback socket, so that the kernel has what it needs for it loaded. Throws TLSHUB_SYS if it cannot. */
  tryCipher(cipher: CipherName): void;
  readFlow(flowsFd: number, fd: number): FlowRecord;
  /**
   * Ends a connection nobody handed us a descriptor of, in the network namespace of process `tgid`, or in ours if that is 0 or has ended.
   * False: there is no such connection.
   */
  destroyByTuple(tuple: TupleBytes, cookie: bigint, tgid: number): boolean;
  continueStopped(fds: FlowFds, cookie: bigint): number;
  /** Cookies of the flows for which somebody stands still. */
  stoppedFlows(stopsFd: number): bigint[];
  /**
   * What is noted of records that have been open since then (CLOCK_MONOTONIC nanoseconds, a whole number) or longer: at most so many of one process, the others
   * another time. A thread of libuv reads it. @throws (rejects) NativeError TLSHUB_SYS
   */
  dueRecords(openRecordsFd: number, sinceNs: number, mostOfOne: number): Promise<DueRecords>;
  /** sweep-records.ts reads it. */
  openSweep(sweepLinkFd: number): Sweep;
}
