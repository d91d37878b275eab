// SPDX-License-Identifier: Apache-2.0
/**
 * How the agent goes: drain, gate, guardian, threads. It hands its gate over to the next agent, or takes it away, and what differs is said by
 * `Leaving`. A list of steps, each by its name, one after the other; the first
 * that fails ends it, and the caller the process with the gate shut.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../logging/logger.js';
import type { Throttle } from '../logging/throttle.js';
import type { PerfReporter } from '../metrics/perf-reporter.js';
import type { OtlpExport } from '../otlp/export.js';
import { drain, type Drainable } from '../shared/async/drain.js';
import type { Attached } from './attach.js';
import type { Helpers } from '../shared/kernel/helpers-addon.js';
import type { Dispatcher } from './flow/dispatcher.js';
import type { HelperParent } from './gate/helper-parent.js';
import { giveUpAll, isUnderWay, letGoAll } from './flow/mass-ending.js';
import type { ChannelService } from './provider/channel-service.js';
import type { Reloader } from './settings/reload.js';
import type { Sweeper } from './sweeper.js';
import type { EventReader, Installer } from './threads.js';

export interface Step {
  readonly name: string;
  run: () => unknown;
}

export interface ShutdownParts {
  dispatcher: Dispatcher;
  sweeper: Sweeper;
  attached: Attached;
  control: Closable;
  health: Closable | undefined;
  reloader: Pick<Reloader, 'idle'>;
  sources: Closable;
  provider: Closable;
  channels: Pick<ChannelService, 'leave' | 'handOver' | 'close'>;
  reader: Pick<EventReader, 'stop'>;
  installer: Pick<Installer, 'stop'>;
  helpers: Pick<Helpers, 'close'>;
  helperParent: Pick<HelperParent, 'stop'>;
  perf: PerfReporter;
  accessLog: Closable;
  otlp: Pick<OtlpExport, 'keepLast' | 'close'>;
  bootState: Closable;
  throttle: Throttle;
  log: Logger;
  /** drain_timeout_ms */
  drainMs: number;
  /** to the next agent; else the gate is taken away */
  handsOver: boolean;
  /** no new work from now on */
  onDraining: () => void;
}

interface Closable {
  close(): Promise<void>;
}

/** What becomes of held connections, and of the gate with all that it lives by. */
interface Leaving {
  drain(sweep: () => unknown): Promise<Drained>;
  gate(): void;
  /** for the log */
  done: string;
  guardian(): unknown;
  holder(): unknown;
}

/** What is held is finished or refused, and then there is no gate. */
function release({ dispatcher, sweeper, attached, channels, drainMs, onDraining }: ShutdownParts): Leaving {
  return {
    drain: (sweep) => drainFlows(dispatcher, sweep, drainMs, onDraining, () => sweeper.stop()),
    gate: () => {
      dispatcher.beginNothing();
      channels.leave();
      attached.detach();
    },
    done: 'drained',
    // After the gate: as long as the one may stop a program, the other is there to continue it.
    guardian: () => attached.guardian.stop(),
    holder: () => attached.holder?.stop(),
  };
}

/** What is begun is finished, and all else stays as it is for the next agent: held, by guardian and holder. */
function handOver({ dispatcher, sweeper, attached, channels, drainMs, onDraining }: ShutdownParts): Leaving {
  const begin = (): void => {
    onDraining();
    // What is agreed on by name has to be finished here.
    channels.handOver();
    dispatcher.beginAgreedOnly();
  };
  return {
    drain: async (sweep) => {
      const drained = await finishBegun(dispatcher, sweep, drainMs, begin);
      sweeper.stop();
      return drained;
    },
    gate: () => {
      dispatcher.beginNothing();
      attached.handOver();
    },
    done: 'handed over: the gate stays shut for the next agent',
    guardian: () => undefined,
    holder: () => undefined,
  };
}

/**
 * Secured connections run on. Never resolves with the gate open and something unsaid.
 * @returns false: all went well but for the metrics files
 * @throws (rejects) as `runSteps`
 */
export async function shutdown(parts: ShutdownParts): Promise<boolean> {
  const { dispatcher, sweeper, attached, perf, log } = parts;
  const leaving = parts.handsOver ? handOver(parts) : release(parts);
  let drained: Drained | undefined;
  let lastReport: ReturnType<PerfReporter['report']> | undefined;
  let written: unknown;
  await runSteps([
    {
      name: 'drain',
      run: async () => {
        // A report reads the kernel's list as a sweep does, and the last one is of the moment when nothing is under way: after it there
        // must be no wait in which another connection begins before the gate goes.
        let last: ReturnType<PerfReporter['report']> | undefined;
        drained = await leaving.drain(() => (last = perf.report()));
        lastReport = last ?? perf.report();
        await lastReport;
      },
    },
    { name: 'gate', run: () => leaving.gate() },
    { name: 'stopped processes', run: () => sweeper.continueAll() },
    { name: 'say so', run: () => log.info(leaving.done, { ...drained }) },
    { name: 'last metrics to export', run: () => parts.otlp.keepLast() },
    { name: 'guardian', run: () => leaving.guardian() },
    { name: 'holder', run: () => leaving.holder() },
    { name: 'list of connections', run: () => sweeper.list.stop() },
    { name: 'dispatcher', run: () => dispatcher.close() },
    { name: 'channels', run: () => parts.channels.close() },
    { name: 'control socket', run: () => parts.control.close() },
    { name: 'health endpoint', run: () => parts.health?.close() },
    { name: 'reload under way', run: () => parts.reloader.idle() },
    { name: 'mapping', run: () => parts.sources.close() },
    { name: 'provider', run: () => parts.provider.close() },
    { name: 'event reader', run: () => parts.reader.stop() },
    { name: 'installer', run: () => parts.installer.stop() },
    { name: 'helpers', run: () => parts.helpers.close() },
    { name: 'parent of the helpers', run: () => parts.helperParent.stop() },
    // Whoever was inside the gate when it was taken away.
    { name: 'stopped processes, again', run: () => sweeper.continueAll() },
    { name: 'lease', run: () => attached.stopLease() },
    { name: 'metrics files', run: async () => (written = await perf.write(lastReport)) },
    { name: 'access log', run: () => parts.accessLog.close() },
    { name: 'export', run: () => parts.otlp.close() },
    { name: 'state for the boot gate', run: () => parts.bootState.close() },
    { name: 'messages held back', run: () => parts.throttle.flush() },
  ]);
  return written !== undefined;
}

/** @throws (rejects) Error that names the step, with what it threw as the cause */
export async function runSteps(steps: readonly Step[]): Promise<void> {
  for (const { name, run } of steps) {
    try {
      await run();
    } catch (cause) {
      throw new Error(`shutdown: ${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  }
}

/** For the installer to end what draining has refused, in ms. */
const LAST_ANSWERS_MS = 3000;
const IDLE_LOOK_MS = 10;
/** For connections whose ends have just agreed on keys by name to be established, in ms: a round trip. */
const AGREED_MS = 100;

const DRAINED = {
  state: 'refused',
  code: 'TLSHUB_DRAINING',
  reason: 'the agent is shutting down',
  final: false,
} as const;

export interface Drained {
  ms: number;
  /** connections were under way still when the time was up */
  forced: boolean;
  refused: number;
  /** the installer had not answered for all of them in its time */
  unanswered: boolean;
}

/**
 * Finishes what is held, within `deadlineMs`, and refuses the rest. The gate is on meanwhile, so new connections still come; they are
 * finished or refused like the others.
 * @param sweep brings the dispatcher up to date with the kernel's list
 * @param onHeldEnded from then on nobody else need sweep
 */
export async function drainFlows(
  dispatcher: Dispatcher,
  sweep: () => unknown,
  deadlineMs: number,
  onBegin: () => void,
  onHeldEnded: () => void,
): Promise<Drained> {
  const held: Drainable = {
    name: 'held connections',
    stop: onBegin,
    idle: () => until(() => dispatcher.table.pending().length === 0),
    force: () => void giveUpAll(dispatcher, DRAINED),
  };
  const { ms, forced } = await drain(held, deadlineMs);
  onHeldEnded();
  let refused = 0;
  // Also those that no program has accepted, and those that come while others are being ended: nobody but us may have said anything
  // on a connection that goes on without the gate.
  const nothingBegun = async (): Promise<boolean> => {
    refused += giveUpAll(dispatcher, DRAINED);
    if (!quiet(dispatcher)) return false;
    await sweep();
    refused += giveUpAll(dispatcher, DRAINED);
    return quiet(dispatcher);
  };
  const last = await drain(
    { name: 'last answers', stop: () => undefined, idle: () => until(nothingBegun), force: () => undefined },
    LAST_ANSWERS_MS,
  );
  return { ms: Math.round(ms), forced, refused, unanswered: last.forced };
}

/**
 * Finishes what has been begun, within `deadlineMs`, and then leaves alone what bears no trace of it, and refuses the rest. The gate stays on, so
 * connections that come meanwhile are held.
 * @param sweep brings the dispatcher up to date with the kernel's list
 */
export async function finishBegun(
  dispatcher: Dispatcher,
  sweep: () => unknown,
  deadlineMs: number,
  onBegin: () => void,
): Promise<Drained> {
  const isIdle = (): boolean => ![...dispatcher.table.live()].some(isUnderWay) && dispatcher.table.pendingTickets === 0;
  let refused = 0;
  const begun: Drainable = {
    name: 'handshakes under way',
    stop: onBegin,
    idle: () => sleep(AGREED_MS).then(() => until(isIdle)),
    force: () => void (refused = letGoAll(dispatcher, DRAINED)),
  };
  const { ms, forced } = await drain(begun, deadlineMs);
  const last = await drain(
    { name: 'last answers', stop: () => undefined, idle: () => until(isIdle), force: () => undefined },
    LAST_ANSWERS_MS,
  );
  await sweep();
  return { ms: Math.round(ms), forced, refused, unanswered: last.forced };
}

function quiet(dispatcher: Dispatcher): boolean {
  return dispatcher.table.pending().length === 0 && dispatcher.table.pendingTickets === 0;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(IDLE_LOOK_MS);
}
