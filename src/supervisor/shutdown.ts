// SPDX-License-Identifier: Apache-2.0
/**
 * How the agent goes: drain, refuse the rest, gate, guardian, threads. A list of steps, each by its name, one after the other; the first
 * that fails ends it, and the caller the process with the gate shut.
 */
import type { Logger } from '../logging/logger.js';
import type { Throttle } from '../logging/throttle.js';
import type { PerfReporter } from '../metrics/perf-reporter.js';
import { drain, type Drainable } from '../shared/async/drain.js';
import type { Attached } from './attach.js';
import type { Helpers } from '../shared/kernel/helpers-addon.js';
import type { Dispatcher } from './flow/dispatcher.js';
import type { HelperParent } from './gate/helper-parent.js';
import { giveUpAll } from './flow/mass-ending.js';
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
  channels: Pick<ChannelService, 'leave' | 'close'>;
  reader: Pick<EventReader, 'stop'>;
  installer: Pick<Installer, 'stop'>;
  helpers: Pick<Helpers, 'close'>;
  helperParent: Pick<HelperParent, 'stop'>;
  perf: PerfReporter;
  throttle: Throttle;
  log: Logger;
  /** drain_timeout_ms */
  drainMs: number;
  /** no new work from now on */
  onDraining: () => void;
}

interface Closable {
  close(): Promise<void>;
}

/**
 * Secured connections run on. Never resolves with the gate open and something unsaid.
 * @returns false: all went well but for the metrics files
 * @throws (rejects) as `runSteps`
 */
export async function shutdown(parts: ShutdownParts): Promise<boolean> {
  const { dispatcher, sweeper, attached, perf, log } = parts;
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
        const sweep = (): unknown => (last = perf.report());
        drained = await drainFlows(dispatcher, sweep, parts.drainMs, parts.onDraining, () => sweeper.stop());
        lastReport = last ?? perf.report();
        await lastReport;
      },
    },
    {
      name: 'gate',
      run: () => {
        dispatcher.beginNothing();
        parts.channels.leave();
        attached.detach();
      },
    },
    // The guardian goes after the gate: as long as the one may stop a program, the other is there to continue it.
    { name: 'stopped processes', run: () => sweeper.continueAll() },
    { name: 'say so', run: () => log.info('drained', { ...drained }) },
    { name: 'guardian', run: () => attached.guardian.stop() },
    { name: 'holder', run: () => attached.holder?.stop() },
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

function quiet(dispatcher: Dispatcher): boolean {
  return dispatcher.table.pending().length === 0 && dispatcher.table.pendingTickets === 0;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, IDLE_LOOK_MS));
}
