// SPDX-License-Identifier: Apache-2.0
/** What each command of tlshubctl does. Parsing is in program.ts, drawing in tables.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { controlRequest } from '../control/client.js';
import type { FlowQuery } from '../control/flow-query.js';
import type { StatusReport } from '../report/status.js';
import type { Issued } from '../tls/lab-ca/pki.js';
import {
  EXIT,
  KernelUnsupportedError,
  PermissionError,
  TlshubError,
  UsageError,
  asTlshubError,
} from '../shared/errors/errors.js';
import type { ProbeResult } from '../shared/kernel/kernel-addon.js';
import { checkText } from './check-text.js';
import { show, type CliContext, type GlobalOptions } from './context.js';
import { channelsTable, podsTable, releaseText, reloadText, table } from './tables.js';
import { sortFlows, type FlowOrder } from './flow-order.js';
import { flowsTable } from './flow-table.js';
import { statusText } from './status-text.js';
import { watchFlows } from './watch.js';
import { columnsOf } from './width.js';

/** Looks at a configuration and all that it names. @throws TlshubError with the gravest exit status of what is wrong */
export async function checkFiles(context: CliContext, options: GlobalOptions, file: string): Promise<void> {
  // Reads and checks as the agent does, with most of its code: who asks for something else does not load it.
  const { checkConfig } = await import('./check-config.js');
  const items = await checkConfig(context, file);
  show(context, options, items, () => checkText(context, items));
  const wrong = items.filter(({ ok }) => !ok);
  if (wrong.length === 0) return;
  const exitCode = Math.max(...wrong.map((item) => item.exitCode ?? EXIT.failed));
  const names = [...new Set(wrong.map(({ name }) => name))].join(', ');
  throw new TlshubError('TLSHUB_CHECK_FAILED', `an agent would not start with it: ${names}`, { exitCode });
}

/** @throws KernelUnsupportedError (69) if something is missing, PermissionError (77) if it may only look missing for want of rights */
export function check(context: CliContext, options: GlobalOptions): void {
  const probes = probe(context);
  show(context, options, probes, () => checkText(context, probes));
  const missing = probes.filter(({ ok }) => !ok).map(({ name }) => name);
  if (missing.length === 0) return;
  if (context.uid !== 0) {
    throw new PermissionError(`cannot tell whether this kernel has ${missing.join(', ')}: the check needs root`, {
      remedy: 'Run `sudo tlshubctl check`.',
    });
  }
  throw new KernelUnsupportedError(missing, { remedy: 'The remedy stands below each.' });
}

function probe(context: CliContext): ProbeResult[] {
  try {
    return context.probe();
  } catch (error) {
    throw asMissingAddon(error);
  }
}

/** What a call of the native addon threw, in its own words when it was the addon that is missing. */
function asMissingAddon(error: unknown): unknown {
  const { code } = asTlshubError(error);
  if (code !== 'MODULE_NOT_FOUND' && code !== 'ERR_DLOPEN_FAILED') return error;
  const detail = `the native addon cannot be loaded: ${(error as Error).message.split('\n')[0] ?? ''}`;
  return new TlshubError('TLSHUB_NATIVE_MISSING', detail, { cause: error });
}

export interface ReleaseOptions {
  pinDir: string;
  /** seconds */
  wait?: number;
}

/** @throws PermissionError (77), ReleaseError, NotFoundError if there is no gate */
export async function release(
  context: CliContext,
  options: GlobalOptions,
  { pinDir, wait = 0 }: ReleaseOptions,
): Promise<void> {
  if (context.uid !== 0) {
    throw new PermissionError('to take the gate of a dead agent away needs root', {
      remedy: 'Run `sudo tlshubctl release`.',
    });
  }
  const released = context.release({ pinDir, controlSocket: options.socket, waitMs: 1000 * wait });
  const report = await released.catch((error: unknown) => {
    throw asMissingAddon(error);
  });
  show(context, options, report, () => releaseText(report));
}

export interface StatusOptions {
  verbose?: true;
  ready?: true;
  /** seconds */
  wait?: number;
}

/** Between two looks at an agent that is coming up, in ms. */
const WAIT_LOOK_MS = 250;

/** What an agent that is coming up says, before it has bound its socket and after. */
const COMING_UP = ['TLSHUB_CONTROL_UNREACHABLE', 'TLSHUB_NOT_READY'];

/** @throws TlshubError TLSHUB_NOT_READY if readiness is asked for and it is not, UsageError */
export async function status(context: CliContext, options: GlobalOptions, wanted: StatusOptions): Promise<void> {
  if (wanted.wait !== undefined && wanted.ready !== true) throw new UsageError('--wait goes with --ready');
  const report = await statusOnce(options, performance.now() + 1000 * (wanted.wait ?? 0), wanted.ready === true);
  show(context, options, report, () => statusText(context, report, wanted.verbose === true));
  if (wanted.ready === true && !report.ready) {
    throw new TlshubError('TLSHUB_NOT_READY', `not ready: ${report.notReady.join('; ')}`);
  }
}

/** The status when it is ready, or that of the last look before `until`. */
async function statusOnce(options: GlobalOptions, until: number, wantReady: boolean): Promise<StatusReport> {
  for (;;) {
    const late = performance.now() >= until;
    try {
      const report = await controlRequest(options.socket, 'status', {});
      if (report.ready || !wantReady || late) return report;
    } catch (error) {
      if (late || !COMING_UP.includes(asTlshubError(error).code)) throw error;
    }
    await sleep(WAIT_LOOK_MS);
  }
}

export interface FlowsOptions {
  query: FlowQuery;
  /** seconds between two looks of a live view; undefined: one look */
  watch?: number;
  /** undefined: as the agent has them in JSON, by state in a table */
  sort?: FlowOrder;
  wide: boolean;
}

export async function flows(context: CliContext, options: GlobalOptions, wanted: FlowsOptions): Promise<void> {
  const { query, watch, sort, wide } = wanted;
  const look = { wide, sort: sort ?? 'state' };
  if (watch !== undefined) return watchFlows(context, options, query, watch * 1000, look);
  const report = await controlRequest(options.socket, 'flows', query);
  show(context, options, sort === undefined ? report : sortFlows(report, sort), () =>
    flowsTable(sortFlows(report, look.sort), { wide, columns: columnsOf(context) }),
  );
}

export async function channels(context: CliContext, options: GlobalOptions): Promise<void> {
  const report = await controlRequest(options.socket, 'channels', {});
  show(context, options, report, () => channelsTable(report));
}

export async function metrics(context: CliContext, options: GlobalOptions): Promise<void> {
  const report = await controlRequest(options.socket, 'metrics', {});
  show(context, options, report.families, () => report.text.trimEnd());
}

export async function bugReport(context: CliContext, options: GlobalOptions, file?: string): Promise<void> {
  // With the maker of archives: who asks for something else does not load it.
  const { bugReport: make } = await import('./bug-report.js');
  await make(context, options, file);
}

export async function mappingGet(context: CliContext, options: GlobalOptions, pod: string): Promise<void> {
  const report = await controlRequest(options.socket, 'mapping.get', { pod });
  show(context, options, report, () => podsTable([report]));
}

export async function mappingList(context: CliContext, options: GlobalOptions): Promise<void> {
  const report = await controlRequest(options.socket, 'mapping.list', {});
  show(context, options, report, () => podsTable(report));
}

/** A reload may have to bring up a provider's threads, in ms. */
const RELOAD_MS = 120_000;

export async function reload(context: CliContext, options: GlobalOptions): Promise<void> {
  const report = await controlRequest(options.socket, 'reload', {}, { timeoutMs: RELOAD_MS });
  show(context, options, report, () => reloadText(report));
}

export async function modeGet(context: CliContext, options: GlobalOptions): Promise<void> {
  const report = await controlRequest(options.socket, 'mode.get', {});
  show(context, options, report, () => report.mode);
}

/** A switch waits until the new provider's threads are up, in ms. */
const MODE_SET_MS = 90_000;

export async function modeSet(context: CliContext, options: GlobalOptions, mode: string): Promise<void> {
  const report = await controlRequest(options.socket, 'mode.set', { mode }, { timeoutMs: MODE_SET_MS });
  show(context, options, report, () =>
    report.mode === report.previous ? `${report.mode} (as before)` : `${report.mode} (was ${report.previous})`,
  );
}

export interface PkiOptions extends GlobalOptions {
  days: string;
  notAfter?: string;
  notBefore?: string;
  force?: true;
}

export async function pkiInit(context: CliContext, options: PkiOptions & { name: string }, dir: string): Promise<void> {
  // Larger than the rest of tlshubctl together: who asks for no certificates does not load it.
  const { initCa } = await import('../tls/lab-ca/pki.js');
  const issued = await initCa(dir, { ...validity(options), name: options.name });
  showIssued(context, options, issued);
}

export async function pkiIssue(
  context: CliContext,
  options: PkiOptions & { dir: string; as?: string },
  node: string,
): Promise<void> {
  const { issueNode } = await import('../tls/lab-ca/pki.js');
  const as = options.as === undefined ? {} : { as: options.as };
  const issued = await issueNode(options.dir, node, { ...validity(options), ...as });
  showIssued(context, options, issued);
}

function validity(options: PkiOptions): { days: number; notAfter?: Date; notBefore?: Date; force: boolean } {
  if (!/^-?\d{1,5}$/.test(options.days)) throw new UsageError(`--days ${options.days}: not a whole number`);
  return {
    days: Number(options.days),
    force: options.force === true,
    ...(options.notAfter === undefined ? {} : { notAfter: date('--not-after', options.notAfter) }),
    ...(options.notBefore === undefined ? {} : { notBefore: date('--not-before', options.notBefore) }),
  };
}

function date(option: string, text: string): Date {
  const value = new Date(text);
  if (!/^\d{4}-\d{2}-\d{2}/.test(text) || Number.isNaN(value.getTime())) {
    throw new UsageError(`${option} ${text.slice(0, 60)}: not a date, write 2030-12-31 or 2030-12-31T12:00:00Z`);
  }
  return value;
}

function showIssued(context: CliContext, options: GlobalOptions, issued: Issued): void {
  show(context, options, issued, () =>
    table([
      ['certificate', issued.certificate],
      ['key', issued.key],
      ['valid', `${issued.notBefore.toISOString()} to ${issued.notAfter.toISOString()}`],
    ]),
  );
}
