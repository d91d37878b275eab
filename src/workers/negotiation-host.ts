// SPDX-License-Identifier: Apache-2.0
/**
 * A provider worker: many negotiations at once on one thread, each a piscina task. In-band ones are the addon's driver's: it watches all
 * sockets in an epoll set of its own, and this thread's event loop watches that set.
 *
 * piscina lets an idle worker block in Atomics.wait (`atomics: 'sync'`), which is the fastest way to the next task, and enters that wait
 * only when no task is in flight (its `currentTasks`): as long as one handshake runs, so does the event loop. Nothing here does anything
 * outside a task, so nothing stands still in that wait.
 *
 * Secrets stay in native memory (native/domain/secrets). What goes from here to the installer, over a ring of our own and never through piscina,
 * is the handle.
 */
import { appendFileSync } from 'node:fs';
import { MessageChannel, parentPort, threadId } from 'node:worker_threads';
import { collectGarbage } from '../shared/async/collect-garbage.js';
import { MessageSender } from '../shared/ipc/message-ring.js';
import { monotonicNs } from '../shared/kernel/clock.js';
import { kernel } from '../shared/kernel/native.js';
import { Doorbell } from '../shared/ipc/doorbell.js';
import { testHooks } from '../shared/ipc/test-hooks.js';
import type {
  CancelMessage,
  HangMessage,
  LibraryReport,
  NegotiateResult,
  NegotiateTask,
  Negotiated,
  RestTask,
  WorkerHello,
} from '../shared/ipc/messages.js';
import type { HandshakeAddon, HandshakeCredentials, HandshakeOutcome } from '../shared/kernel/handshake-addon.js';
import type { TlsLibrary } from '../shared/kernel/words.js';
import { createRing } from '../shared/ipc/ring.js';

/** What every worker needs to hand keys on. */
export interface HostData {
  doorbell: SharedArrayBuffer;
  ringBytes: number;
  /** NSS key log for tests; '' for none */
  keyLogFile: string;
}

export interface NegotiatorData extends HostData {
  library: TlsLibrary;
  credentials: HandshakeCredentials;
  /** our own, as in the certificate */
  nodeName: string;
  /** of KernelAddon.helperParentPair; undefined: sockets are our own */
  helperParentFd?: number | undefined;
}

/** What a negotiation came to, with the handle of its secrets. */
export type TaskOutcome =
  | Omit<Extract<HandshakeOutcome, { ok: true }>, 'wiped'>
  | (Omit<Extract<HandshakeOutcome, { ok: false }>, 'code'> & { code: string });

/** Begins a negotiation. `done` is called once, never from inside. Returns what asks for an early end. */
export type Begin = (task: NegotiateTask, done: (outcome: TaskOutcome) => void) => () => void;

/** What piscina calls; a rest is answered with the threadId. */
export type TaskHandler = (task: NegotiateTask | RestTask) => Promise<NegotiateResult | number>;

/** Between two signs of life, in ms. */
const PULSE_MS = 100;
/** Cancels that were faster than their task, which comes over another port; older ones have missed theirs and are forgotten. */
const EARLY_CANCELS = 1024;

/** A worker of an in-band provider. Sets this thread up and says hello to the pool. Returns the task handler. */
export function hostNegotiations(addon: HandshakeAddon, data: NegotiatorData, rehearsal = ''): TaskHandler {
  const context = addon.createContext(data.credentials);
  const driver = addon.createDriver(data.helperParentFd);
  const library = { version: addon.libraryVersion(), file: addon.libraryFile() };
  const begin: Begin = ({ fd, charge, role, peerNames, timeoutMs }, done) => {
    const request = { fd, charge, role, peerNames, timeoutMs, keyLog: data.keyLogFile !== '' };
    const id = driver.start(context, request, done);
    return () => driver.cancel(id);
  };
  return hostTasks(library, data, begin, rehearsal);
}

/**
 * The same for any provider.
 * @param rehearsal what went wrong before, '' for nothing: the pool passes it on
 */
export function hostTasks(library: LibraryReport, data: HostData, begin: Begin, rehearsal = ''): TaskHandler {
  const doorbell = new Doorbell(data.doorbell);
  const ring = createRing(data.ringBytes);
  const sender = new MessageSender<Negotiated>(ring);
  const running = new Map<number, () => void>();
  const early = new Set<number>();
  const { port1, port2 } = new MessageChannel();

  port1.on('message', (message: CancelMessage | HangMessage) => {
    if (message.type === 'hang') {
      if (testHooks()) standStill();
      return;
    }
    const { ticket } = message;
    const cancel = running.get(ticket);
    if (cancel !== undefined) {
      cancel();
      return;
    }
    early.add(ticket);
    const [oldest] = early;
    if (early.size > EARLY_CANCELS && oldest !== undefined) early.delete(oldest);
  });
  port1.unref();

  const pulse = new Int32Array(new SharedArrayBuffer(4));
  // Unreferenced, and still between tasks: a worker without tasks may block, and nobody asks for its pulse.
  setInterval(() => Atomics.add(pulse, 0, 1), PULSE_MS).unref();

  const hello: WorkerHello = {
    type: 'hello',
    threadId,
    ring,
    pulse: pulse.buffer,
    cancelPort: port2,
    library,
    rehearsal,
  };
  parentPort?.postMessage(hello, [port2]);

  const finish = (task: NegotiateTask, startedNs: number, outcome: TaskOutcome): NegotiateResult => {
    const negotiationMs = Number(outcome.durationNs) / 1e6;
    if (!outcome.ok) {
      const { code, reason, peerNames, handshakeOnly, bytesSent, bytesReceived } = outcome;
      return { ok: false, code, reason, peerNames, handshakeOnly, bytesSent, bytesReceived, negotiationMs };
    }
    const { cipher, tlsVersion, peerName, secrets } = outcome;
    let sent = false;
    try {
      sent = sender.sendWaiting({
        type: 'negotiated',
        ticket: task.ticket,
        slot: task.slot,
        fd: task.fd,
        cookie: task.cookie,
        generation: task.generation,
        charge: task.charge,
        role: task.role,
        summary: {
          provider: task.provider,
          cipher,
          tlsVersion,
          peerName,
          askedNs: task.askedNs,
          startedNs,
          negotiationMs,
        },
        secrets,
        txSequence: outcome.txSequence,
        rxSequence: outcome.rxSequence,
        bytesSent: outcome.bytesSent,
        bytesReceived: outcome.bytesReceived,
      });
    } finally {
      if (!sent) kernel().discardSecret(secrets);
    }
    if (!sent) throw new Error('the ring to the installer is closed');
    doorbell.ring();
    if (data.keyLogFile !== '' && outcome.keyLog.length > 0) {
      appendFileSync(data.keyLogFile, `${outcome.keyLog.join('\n')}\n`, { mode: 0o600 });
    }
    return { ok: true, resumed: outcome.resumed };
  };

  const negotiate = (task: NegotiateTask): Promise<NegotiateResult> =>
    new Promise((resolve, reject) => {
      if (early.delete(task.ticket)) {
        resolve(cancelled());
        return;
      }
      const startedNs = monotonicNs();
      const cancel = begin(task, (outcome) => {
        running.delete(task.ticket);
        try {
          resolve(finish(task, startedNs, outcome));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
      running.set(task.ticket, cancel);
    });
  return (task) => {
    if (!('type' in task)) return negotiate(task);
    collectGarbage();
    return Promise.resolve(threadId);
  };
}

function cancelled(): NegotiateResult {
  const reason = 'given up before it began';
  const nothing = { peerNames: [], handshakeOnly: false, bytesSent: 0, bytesReceived: 0, negotiationMs: 0 };
  return { ok: false, code: 'TLSHUB_HANDSHAKE_CANCELLED', reason, ...nothing };
}

function standStill(): never {
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (;;) Atomics.wait(never, 0, 0, 1000);
}
