// SPDX-License-Identifier: Apache-2.0
/** The agent as users are shown it: `tlshubctl status`, readiness, the metrics made from it. */
import type { WireError } from '../shared/errors/errors.js';
import type { DelayCounts } from '../shared/ipc/delays.js';
import type { CertificateReport } from './certificate.js';
import type { ChannelTotals, EpochCounts } from './channel.js';
import type { Exchange, FlowState } from './flow.js';
import type { OtlpReport } from './otlp.js';
import type { ProblemReport } from './problem.js';

export interface RingReport {
  name: string;
  capacityBytes: number;
  usedBytes: number;
  /** records that found no room; each is accounted for, none is dropped silently */
  overflows: number;
}

/** What was wrong, and where as far as it lies in a file. */
export interface ConfigErrorReport {
  /** ISO 8601 */
  at: string;
  error: WireError;
  file?: string;
  /** 1-based */
  line?: number;
  key?: string;
}

/** A value of the file that a restart would put in force. */
export interface RestartReport {
  key: string;
  inForce: string;
  wanted: string;
}

export interface ProviderStatus {
  name: string;
  /** draining: it finishes what it began before a switch */
  state: 'active' | 'draining' | 'closed';
  /** the library's own words about itself, and the file whose functions are called */
  libraryVersion: string;
  libraryFile: string;
  workers: number;
  inFlight: number;
  queued: number;
  /** negotiations since the agent began */
  started: number;
  succeeded: number;
  /** of those: resumed from an earlier session, without certificates */
  resumed: number;
  failed: number;
  /** times that a connection found neither a place nor room in the queue */
  full: number;
  workersLost: number;
}

/** The access log (access_log). */
export interface AccessLogReport {
  /** `stdout`, `stderr` or a path */
  destination: string;
  /** lines since the agent began */
  written: number;
  dropped: number;
  /** why it cannot be written now; null: it can */
  error: WireError | null;
}

/** What is kept for the boot gate (boot_policy), and whether it was there before this agent. */
export interface BootGateReport {
  policy: 'closed' | 'open' | 'off';
  /** what it goes by; null: nothing is kept */
  file: string | null;
  /** ISO 8601, when the file was last written; null: not by this agent yet */
  writtenAt: string | null;
  /** why the settings in force could not be kept; null: they are, or will be in a moment */
  error: WireError | null;
  /** ISO 8601, since when the gate was shut by it until this agent adopted it; null: it was not */
  shutSince: string | null;
}

/** A part of the agent's start and how long it took. `node`: Node.js itself; `load`: reading the program; `total`: from the process's start to ready. */
export interface StartupStep {
  step: string;
  ms: number;
}

export interface StatusReport {
  version: string;
  pid: number;
  node: string;
  mode: string;
  /** those that were ever in force, the present one first */
  providers: ProviderStatus[];
  /** by the settings in force; a connection for which a channel's keys are not to be had is in-band all the same */
  exchange: Exchange;
  policy: 'strict' | 'permissive';
  /** captured now, each with all below it */
  cgroups: string[];
  /** patterns of capture.cgroup that nothing matches yet */
  cgroupsAwaited: string[];
  configFile: string;
  /** where it comes from, pods and distinct networks in it; services, their distinct addresses, and services that nobody stands behind */
  mapping: {
    source: string;
    pods: number;
    networks: number;
    services: number;
    serviceAddresses: number;
    servicesWithoutEndpoint: number;
  };
  flows: Record<FlowState, number>;
  /** connections since the agent began; those over before they were secured by nobody's fault are closedUnsecured, plaintext ones by a loopback address plaintextLoopback too */
  totals: { secured: number; plaintext: number; plaintextLoopback: number; refused: number; closedUnsecured: number };
  /** of the secured ones: how their keys were agreed on */
  exchanges: Record<Exchange, number>;
  /** epochs now, and what came of channels since the agent began */
  channels: ChannelTotals & { epochs: EpochCounts };
  /** refusals by code */
  failures: Record<string, number>;
  /** events read, by kind, and those that the perf buffer had no room for */
  events: {
    received: Record<string, number>;
    lost: number;
    /**
     * how long they took from the kernel into the ring, microseconds (null: nothing counted, or longer than a minute). `counts`: of each
     * bucket that is not empty its upper bound and how many; the difference of two readings is what came between them
     */
    toRing: { p50Us: number | null; p99Us: number | null; maxUs: number | null; counts: DelayCounts };
  };
  rings: RingReport[];
  /** the gate's counters, by name */
  gate: Record<string, number>;
  /** true: pins of an earlier agent were taken over */
  adopted: boolean;
  /** how callers are held; `why` they are not put to sleep, '' if nobody wants it */
  hold: { way: 'sleep' | 'stop'; why: string; holderPid: number | null; holderRestarts: number };
  /** threads: those that the lease is renewed by, and for how many ms each has given no sign of life */
  lease: {
    ttlMs: number;
    guardianPid: number | null;
    guardianRestarts: number;
    threads: { thread: string; ms: number }[];
  };
  /** processes that make the main thread's system calls on programs' sockets: idle, at work, of these slow, and given up; tasks since the start */
  helpers: { idle: number; busy: number; slow: number; lost: number; begun: number; lostEver: number; refused: number };
  /** processes of all threads that were given up at a program's socket, since the start */
  helpersLost: number;
  /** how often TCP was given for a program what TLS still had of its bytes: before a shutdown, and of a record left open by MSG_MORE */
  pushes: { endings: number; openRecords: number };
  /** null: there is none */
  accessLog: AccessLogReport | null;
  /** null: nothing is exported */
  otlp: OtlpReport | null;
  bootGate: BootGateReport;
  uptimeMs: number;
  /** in the order in which they ended, some side by side; the last is `total`, once the agent is ready */
  startup: StartupStep[];
  draining: boolean;
  /** new connections are secured, or would be */
  ready: boolean;
  /** why not, in words; empty if ready: the errors among the problems */
  notReady: string[];
  /** what is amiss, the gravest first */
  problems: ProblemReport[];
  /** in force: the node's first, then intermediates, then the CAs that are trusted */
  certificates: CertificateReport[];
  /** since the agent began */
  reloads: { succeeded: number; failed: number };
  needsRestart: RestartReport[];
  /** of the last reload that failed, null if the configuration in force is the newest that was tried */
  lastConfigError: ConfigErrorReport | null;
  /** why new certificate files have not been taken up (tls.watch), null if those in force are the newest */
  lastCredentialsError: ConfigErrorReport | null;
}
