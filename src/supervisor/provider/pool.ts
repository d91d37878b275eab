// SPDX-License-Identifier: Apache-2.0
/**
 * A provider: a piscina pool of its own, with many negotiations at once on each thread.
 *
 * piscina sees only tasks that may run at once (admission.ts decides which), so its own queue is empty except while a dead worker is being
 * replaced. Its AbortSignal is not used: aborting a running task terminates the thread, and an abortable task has a thread to itself.
 * Cancels go over a port to the worker that has the task instead.
 *
 * A worker that dies takes its tasks with it: piscina rejects them and starts another one, and each of their flows gets an outcome
 * (`lost`). One that hangs (its event loop has stood still for many looks of ours while it had tasks) is terminated: then it has died. Late
 * tasks prove nothing, since on a starved machine everybody is late.
 */
import type { MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { Logger } from '../../logging/logger.js';
import { ProviderStartError } from '../../shared/errors/errors.js';
import type {
  CancelMessage,
  Fault,
  HangMessage,
  LibraryReport,
  NegotiateResult,
  NegotiateTask,
  RestTask,
  WorkerHello,
  WorkerLog,
} from '../../shared/ipc/messages.js';
import { chooseWorker, forPurpose } from './choose-worker.js';
import { admissionOf, type Admission } from './admission.js';
import { answerOf, failure, overload } from './outcomes.js';
import type {
  FlowNames,
  Negotiation,
  NegotiationOutcome,
  NegotiationRequest,
  Provider,
  ProviderName,
  ProviderStats,
} from './provider.js';
import type { AdmissionJob } from './standing.js';

export interface ProviderPoolOptions {
  name: ProviderName;
  /** default: in-band */
  kind?: Provider['kind'];
  /** module whose default export takes a NegotiateTask; it says hello by negotiation-host.ts */
  workerFile: URL;
  workerData: unknown;
  threads: number;
  /** handshakes at once in each thread */
  inFlight: number;
  /** flows that wait for a place */
  queue: number;
  /** do not come up if a handshake with oneself fails */
  strict?: boolean;
  /** a worker's ring to the installer, when it comes and when it is gone */
  onRing(id: number, ring: SharedArrayBuffer): void;
  onRingGone(id: number): void;
  /** no worker comes up any more: nobody can negotiate */
  onFatal(error: Error): void;
  log: Logger;
}

/** How often the queue and workers with tasks are looked at, in ms, and after how many looks without a pulse one counts as hanging. */
const LOOK_MS = 250;
const HANG_LOOKS = 16;
/** Between two calls of the listener for room, in ms: each looks at all flows that were turned away. */
const ROOM_MS = 5;
/** For all threads of a pool to come up, in ms; under emulation one takes seconds. */
const READY_MS = 60_000;
/** So many workers lost within this time and something is wrong with more than a worker. */
const MAX_LOSSES = 10;
const LOSSES_WITHIN_MS = 10_000;

interface Job extends AdmissionJob {
  task: NegotiateTask;
  /** performance.now() by which it must have begun */
  beginBy: number;
  peerHasAgent: boolean;
  /** threadId, once it has one */
  worker: number | undefined;
  cancelled: boolean;
  settle(outcome: NegotiationOutcome): void;
}

/** Whom a task is for: the job whose negotiation it is, or the threadId of the worker that is to rest. */
type Purpose = Job | number;

interface WorkerEntry {
  port: MessagePort;
  pulse: Int32Array;
  /** the pulse at the last look, and for how many looks it has been the same while there were tasks */
  lastPulse: number;
  still: number;
}

export class ProviderPool implements Provider {
  readonly kind: Provider['kind'];
  readonly name: ProviderName;
  private readonly pool: Piscina<NegotiateTask | RestTask, NegotiateResult | number>;
  private readonly admission: Admission<Job>;
  private readonly jobs = new Set<Job>();
  private readonly workers = new Map<number, WorkerEntry>();
  private readonly losses: number[] = [];
  private readonly watch: NodeJS.Timeout;
  /** until ready() has resolved, a failure is ready()'s to report */
  private coming = true;
  private failedEarly: Error | undefined;
  private readonly counts = { started: 0, succeeded: 0, resumed: 0, failed: 0, full: 0, workersLost: 0 };
  private library: LibraryReport | undefined;
  private roomWanted = false;
  private roomTimer: NodeJS.Timeout | undefined;
  private roomListener: () => void = () => undefined;
  private closing = false;
  private helloListener: () => void = () => undefined;

  /** Threads start at once; wait for `ready` before the first negotiation. */
  constructor(private readonly options: ProviderPoolOptions) {
    this.name = options.name;
    this.kind = options.kind ?? 'in-band';
    this.admission = admissionOf(options);
    const { active, passive } = this.admission.limits;
    const perWorker = Math.ceil((active + passive) / options.threads);
    this.pool = new Piscina<NegotiateTask | RestTask, NegotiateResult | number>({
      filename: options.workerFile.href,
      minThreads: options.threads,
      maxThreads: options.threads,
      concurrentTasksPerWorker: perWorker,
      idleTimeout: Infinity,
      atomics: 'sync',
      recordTiming: false,
      workerData: options.workerData,
      loadBalancer: (task, workers) => {
        const purpose = (task as unknown as Record<symbol, Purpose | null>)[Piscina.queueOptionsSymbol];
        const best = chooseWorker(workers, { wanted: purpose, perWorker, isUp: (id) => this.workers.has(id) });
        if (best !== null && purpose && typeof purpose === 'object') this.assigned(purpose, best.id);
        return best;
      },
    });
    this.pool.on('message', (message: WorkerHello | WorkerLog) => {
      if (message.type === 'hello') this.greeted(message);
      else options.log[message.level](message.message);
    });
    this.pool.on('error', (error: Error) => this.poolError(error));
    // Whoever is gone is no longer among pool.threads after the event's turn.
    this.pool.on('workerDestroy', () => setImmediate(() => this.reconcile()));
    this.watch = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /**
   * Resolves when all threads have said hello.
   * @throws ProviderStartError when one cannot, or not in time; the pool is closed then
   */
  async ready(): Promise<void> {
    const late = setTimeout(() => {
      this.fail(new Error(`${this.workers.size} of ${this.options.threads} threads came up in ${READY_MS} ms`));
    }, READY_MS);
    while (this.workers.size < this.options.threads && this.failedEarly === undefined) {
      await new Promise<void>((resolve) => (this.helloListener = resolve));
    }
    clearTimeout(late);
    if (this.failedEarly !== undefined) {
      await this.close();
      throw new ProviderStartError(this.name, this.failedEarly.message, { cause: this.failedEarly });
    }
    this.coming = false;
  }

  negotiate(request: NegotiationRequest): Negotiation | undefined {
    const { socket, names, askedNs, waitMs, timeoutMs, peerHasAgent } = request;
    if (socket === undefined) throw new TypeError(`${this.name} gives keys for a socket, and there is none`);
    let settle: Job['settle'] = () => undefined;
    const outcome = new Promise<NegotiationOutcome>((resolve) => (settle = resolve));
    const job: Job = {
      task: {
        ...socket,
        provider: this.name,
        role: names.role,
        peerNames: names.peerNames,
        askedNs,
        timeoutMs,
        ...this.connection(names),
      },
      role: names.role,
      node: names.peerNames.join(' '),
      address: Buffer.from(names.tuple.remote).toString('latin1'),
      beginBy: performance.now() + waitMs,
      peerHasAgent,
      worker: undefined,
      cancelled: false,
      settle,
    };
    const answer = this.closing ? 'full' : this.admission.admit(job, waitMs);
    if (answer === 'full') {
      this.counts.full++;
      this.roomWanted = true;
      return undefined;
    }
    this.jobs.add(job);
    if (answer === 'run') this.run(job);
    if (answer === 'late') this.settled(job, overload(`more wait for this node than it can serve in ${waitMs} ms`));
    return { outcome, cancel: () => this.cancel(job) };
  }

  onRoom(listener: () => void): void {
    this.roomListener = listener;
  }

  stats(): ProviderStats {
    return {
      name: this.name,
      library: this.library,
      workers: this.workers.size,
      inFlight: this.admission.inFlight,
      queued: this.admission.queued,
      ...this.counts,
    };
  }

  async rest(): Promise<number> {
    const rested = new Set<number>();
    for (const worker of [...this.workers.keys()]) {
      if (this.closing) break;
      try {
        rested.add((await this.pool.run(forPurpose({ type: 'rest' }, worker))) as number);
      } catch {
        // It has died, or the pool is closing; reconcile() and close() see to that.
      }
    }
    return rested.size;
  }

  /** For tests: breaks one worker, chosen at random. False: there is none. */
  breakWorker(fault: Fault): boolean {
    const threads = this.pool.threads.filter(({ threadId }) => this.workers.has(threadId));
    const victim = threads[Math.floor(Math.random() * threads.length)];
    if (victim === undefined) return false;
    if (fault === 'end') void victim.terminate();
    else this.workers.get(victim.threadId)?.port.postMessage({ type: 'hang' } satisfies HangMessage);
    return true;
  }

  async close(): Promise<void> {
    this.closing = true;
    clearInterval(this.watch);
    clearTimeout(this.roomTimer);
    for (const job of this.admission.clear())
      this.settled(job, failure('TLSHUB_HANDSHAKE_CANCELLED', 'the pool is closing'));
    await this.pool.destroy();
    for (const [id, { port }] of this.workers) {
      port.close();
      this.options.onRingGone(id);
    }
    this.workers.clear();
  }

  /** In-band providers see the connection by its socket: they are spared the copy. */
  private connection({ tuple, iss, irs }: FlowNames): Pick<NegotiateTask, 'connection'> {
    return this.kind === 'in-band' ? {} : { connection: { tuple, iss, irs } };
  }

  private run(job: Job): void {
    this.counts.started++;
    const left = Math.round(job.beginBy - performance.now());
    if (job.peerHasAgent) job.task.timeoutMs = Math.max(job.task.timeoutMs, left);
    this.pool.run(forPurpose(job.task, job)).then(
      (result) => this.ran(job, result as NegotiateResult),
      (error: unknown) => {
        const reason = `the ${this.name} worker died: ${error instanceof Error ? error.message : String(error)}`;
        this.ran(job, { ok: false, lost: true, code: 'TLSHUB_WORKER_LOST', reason });
      },
    );
  }

  private ran(job: Job, outcome: NegotiationOutcome): void {
    const next = this.admission.leave(job, answerOf(job, outcome));
    this.settled(job, outcome);
    for (const other of next) this.run(other);
    if (this.roomWanted) this.roomTimer ??= setTimeout(() => this.room(), ROOM_MS);
  }

  private room(): void {
    this.roomTimer = undefined;
    if (this.closing) return;
    this.roomWanted = false;
    this.roomListener();
  }

  private settled(job: Job, outcome: NegotiationOutcome): void {
    this.jobs.delete(job);
    this.counts[outcome.ok ? 'succeeded' : 'failed']++;
    if (outcome.ok && outcome.resumed) this.counts.resumed++;
    job.settle(outcome);
  }

  private cancel(job: Job): void {
    if (job.cancelled || !this.jobs.has(job)) return;
    job.cancelled = true;
    if (this.admission.withdraw(job)) {
      this.settled(job, failure('TLSHUB_HANDSHAKE_CANCELLED', 'given up while it waited for a place'));
      return;
    }
    this.sendCancel(job);
  }

  private assigned(job: Job, worker: number): void {
    job.worker = worker;
    if (job.cancelled) this.sendCancel(job);
  }

  private sendCancel(job: Job): void {
    const entry = job.worker === undefined ? undefined : this.workers.get(job.worker);
    entry?.port.postMessage({ type: 'cancel', ticket: job.task.ticket } satisfies CancelMessage);
  }

  private greeted(hello: WorkerHello): void {
    hello.cancelPort.unref();
    this.workers.set(hello.threadId, {
      port: hello.cancelPort,
      pulse: new Int32Array(hello.pulse),
      lastPulse: 0,
      still: 0,
    });
    this.library = hello.library;
    if (hello.rehearsal !== '') {
      const problem = `peers would refuse us: a handshake with ourselves failed: ${hello.rehearsal}`;
      if (this.options.strict === true && this.coming) this.fail(new Error(problem));
      else this.options.log.warning(problem);
    }
    this.options.onRing(hello.threadId, hello.ring);
    this.helloListener();
  }

  private poolError(error: Error): void {
    if (this.closing) return;
    this.options.log.error(`a ${this.name} worker failed`, { error });
    if (this.coming || this.workers.size === 0) this.fail(error);
  }

  private fail(error: Error): void {
    if (!this.coming) {
      this.options.onFatal(error);
      return;
    }
    this.failedEarly ??= error;
    this.helloListener();
  }

  /** Forgets workers that are no more. */
  private reconcile(): void {
    if (this.closing) return;
    const alive = new Set(this.pool.threads.map((thread) => thread.threadId));
    for (const [id, { port }] of [...this.workers]) {
      if (alive.has(id)) continue;
      this.workers.delete(id);
      port.close();
      this.options.onRingGone(id);
      this.counts.workersLost++;
      this.options.log.error(`a ${this.name} worker died; another one takes its place`, { threadId: id });
      this.lost();
    }
  }

  private lost(): void {
    const now = performance.now();
    this.losses.push(now);
    while ((this.losses[0] ?? now) < now - LOSSES_WITHIN_MS) this.losses.shift();
    if (this.losses.length > MAX_LOSSES) this.fail(new Error(`${this.name} workers die again and again`));
  }

  private look(): void {
    const now = performance.now();
    if (this.admission.queued > 0) this.endWaits(now);
    for (const job of this.admission.age()) this.run(job);
    this.endHangs();
  }

  private endWaits(now: number): void {
    for (const job of [...this.jobs]) {
      if (job.beginBy > now || !this.admission.withdraw(job)) continue;
      this.settled(job, overload('its time was over before there was a place for it'));
    }
  }

  private endHangs(): void {
    const busy = new Set<number>();
    for (const job of this.jobs) if (job.worker !== undefined) busy.add(job.worker);
    for (const [id, entry] of this.workers) {
      const pulse = Atomics.load(entry.pulse, 0);
      entry.still = busy.has(id) && pulse === entry.lastPulse ? entry.still + 1 : 0;
      entry.lastPulse = pulse;
      if (entry.still !== HANG_LOOKS) continue;
      this.options.log.error(`a ${this.name} worker hangs and is ended`, { threadId: id });
      void this.pool.threads.find((thread) => thread.threadId === id)?.terminate();
    }
  }
}
