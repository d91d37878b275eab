// SPDX-License-Identifier: Apache-2.0
/** `tlshubctl status` for people: the verdict, what is amiss and what to do, then how things are; with -v how they are inside. */
import type { CertificateReport } from '../report/certificate.js';
import { CHANNEL_DIRECTIONS } from '../report/channel.js';
import { EXCHANGES, FLOW_STATES } from '../report/flow.js';
import type { StatusReport } from '../report/status.js';
import { catalogEntry } from '../shared/errors/catalog.js';
import { printable } from '../shared/text/printable.js';
import { paintFor, sign, type Mood } from './colour.js';
import type { CliContext } from './context.js';
import { counts, duration } from './tables.js';
import { columnsOf, remedyText, wrapTo } from './width.js';

type Row = [name: string, value: string];

export function statusText(context: CliContext, status: StatusReport, verbose: boolean): string {
  const head = [verdict(context, status), ...problems(context, status)];
  const sections = [general(status), traffic(status), ...(verbose ? [inside(status)] : [])];
  return [head.join('\n'), ...sections.map((rows) => aligned(context, rows))].join('\n\n');
}

function verdict(context: CliContext, { node, ready, problems: found }: StatusReport): string {
  const paint = paintFor(context);
  const say = (mood: Mood, text: string): string => `${sign(paint, mood)} ${paint(mood, text)}`;
  if (!ready) return say('bad', `not ready: new connections of ${printable(node)} are not secured`);
  const warnings = found.length;
  const text = `ready: new connections of ${printable(node)} are secured`;
  if (warnings === 0) return say('good', text);
  return say('warning', `${text}, but there ${warnings === 1 ? 'is a warning' : `are ${warnings} warnings`}`);
}

function problems(context: CliContext, { problems: found }: StatusReport): string[] {
  const paint = paintFor(context);
  const columns = columnsOf(context) ?? 80;
  return found.map(({ severity, code, message, remedy }) => {
    const mood = severity === 'error' ? 'bad' : 'warning';
    const what = wrapTo(columns, `${printable(message)} (${code})`, '    ').slice(4);
    const todo = remedy === '' ? '' : `\n${remedyText(columns, printable(remedy))}`;
    return `  ${sign(paint, mood)} ${what}${todo}`;
  });
}

/** Names in a column, values beside them; those that do not fit the terminal go on below themselves. */
function aligned(context: CliContext, rows: readonly Row[]): string {
  const columns = columnsOf(context);
  const longest = Math.max(...rows.map(([name]) => name.length));
  const hanging = ' '.repeat(longest + 2);
  return rows
    .map(([name, value]) => {
      const text = printable(value);
      const lines = columns === undefined ? text : wrapTo(columns, text, hanging).slice(hanging.length);
      return `${name.padEnd(longest)}  ${lines}`.trimEnd();
    })
    .join('\n');
}

function general(status: StatusReport): Row[] {
  const { version, pid, uptimeMs, draining, mapping } = status;
  return [
    ['agent', `${version}, pid ${pid}, up ${duration(uptimeMs)}${draining ? ', draining' : ''}`],
    ['node', status.node],
    ['mode', status.mode],
    ['exchange', status.exchange],
    ['policy', status.policy],
    ...certificates(status.certificates),
    ['cgroups', status.cgroups.join(', ') || 'none'],
    ...status.cgroupsAwaited.map((pattern): Row => ['waiting for', pattern]),
    ['configuration', status.configFile],
    ['mapping', `${mapping.pods} pods, ${mapping.networks} networks, ${services(mapping)}from ${mapping.source}`],
    ...status.needsRestart.map(({ key, inForce, wanted }): Row => [
      'needs a restart',
      `${key}: ${inForce} -> ${wanted}`,
    ]),
  ];
}

function services({ services, serviceAddresses, servicesWithoutEndpoint }: StatusReport['mapping']): string {
  if (services === 0) return '';
  const empty = servicesWithoutEndpoint === 0 ? '' : `, ${servicesWithoutEndpoint} without endpoint`;
  return `${services} services (${serviceAddresses} addresses${empty}), `;
}

function certificates(found: readonly CertificateReport[]): Row[] {
  return found.map(({ key, subject, issuer, notAfter, file, inUse }) => {
    const until = `until ${notAfter.slice(0, 10)}`;
    if (key === 'tls.ca') return [inUse ? 'CA' : 'trusts also', `${subject}, ${until}, ${file}`];
    return ['certificate', `${subject}, by ${issuer}, ${until}, ${file}`];
  });
}

function traffic(status: StatusReport): Row[] {
  const flows = Object.fromEntries(FLOW_STATES.map((state) => [state, status.flows[state]]));
  const exchanges = Object.fromEntries(EXCHANGES.map((exchange) => [exchange, status.exchanges[exchange]]));
  const { totals } = status;
  return [
    ['connections', counts(flows)],
    [
      'since the start',
      `secured ${totals.secured} (${counts(exchanges)}), plaintext ${totals.plaintext}, refused ${totals.refused}, closed before ${totals.closedUnsecured}`,
    ],
    ...Object.entries(status.failures).map(([code, count]): Row => ['refused', refusal(code, count)]),
  ];
}

/** How often, by what, and what to do, where that is in the catalogue. */
function refusal(code: string, count: number): string {
  const remedy = catalogEntry(code)?.remedy;
  return `${count} ${code}${remedy === undefined ? '' : `. ${remedy}`}`;
}

function inside(status: StatusReport): Row[] {
  const { lastConfigError: failed } = status;
  return [
    ['started in', startup(status.startup)],
    ...status.providers.map((provider): Row => [
      'provider',
      `${provider.name} (${provider.state}): ${provider.libraryVersion}, ${provider.libraryFile}; ${provider.workers} workers, ${provider.inFlight} in flight, ${provider.queued} queued, ${provider.succeeded} succeeded (${provider.resumed} resumed), ${provider.failed} failed`,
    ]),
    ...(status.exchange === 'channel' ? channelRows(status.channels) : []),
    ['events', `${counts(status.events.received)}; lost ${status.events.lost}`],
    ['event to ring', delays(status.events.toRing)],
    ...status.rings.map((ring): Row => [
      `ring ${ring.name}`,
      `${ring.usedBytes} of ${ring.capacityBytes} bytes used, ${ring.overflows} overflows`,
    ]),
    ['gate', counts(status.gate) + (status.adopted ? '; adopted from an earlier agent' : '')],
    [
      'lease',
      `${status.lease.ttlMs} ms; guardian ${processText(status.lease.guardianPid, status.lease.guardianRestarts)}`,
    ],
    ['hold', holdText(status.hold)],
    ['last signs of life', status.lease.threads.map(({ thread, ms }) => `${thread} ${ms} ms ago`).join(', ')],
    ['helpers', `${counts(status.helpers)}; lost in all threads ${status.helpersLost}`],
    ...accessLog(status.accessLog),
    ...otlp(status.otlp),
    ['boot gate', bootGate(status.bootGate)],
    ['reloads', `${status.reloads.succeeded} succeeded, ${status.reloads.failed} failed`],
    ['last reload', failed === null ? 'no error' : `failed at ${failed.at}: ${failed.error.message}`],
  ];
}

function accessLog(report: StatusReport['accessLog']): Row[] {
  if (report === null) return [];
  const { destination, written, dropped, error } = report;
  return [
    ['access log', `${destination}: ${written} lines, ${dropped} dropped${error === null ? '' : `; ${error.message}`}`],
  ];
}

function otlp(report: StatusReport['otlp']): Row[] {
  if (report === null) return [];
  const { endpoint, signals, metrics, accessLog, error } = report;
  const of: Record<string, typeof metrics> = { metrics, access_log: accessLog };
  const figures = signals.map((signal) => `${signal} ${of[signal]?.exported} exported, ${of[signal]?.dropped} dropped`);
  return [['otlp', `${endpoint}: ${[...figures, ...(error === null ? [] : [error.message])].join('; ')}`]];
}

function bootGate({ policy, file, writtenAt, shutSince }: StatusReport['bootGate']): string {
  const before = shutSince === null ? 'not in force before this agent' : `in force since ${shutSince} until this agent`;
  const kept = file === null ? 'nothing kept' : `${file} ${writtenAt === null ? 'not written yet' : `of ${writtenAt}`}`;
  return `boot_policy ${policy}; ${kept}; ${before}`;
}

function delays({ p50Us, p99Us, maxUs }: StatusReport['events']['toRing']): string {
  const us = (value: number | null): string => (value === null ? '-' : `${value.toFixed(0)} µs`);
  return `p50 ${us(p50Us)}, p99 ${us(p99Us)}, max ${us(maxUs)}`;
}

/** The whole first, then what it is made of. */
function startup(steps: StatusReport['startup']): string {
  const text = steps.map(({ step, ms }) => ({ step, text: `${ms.toFixed(0)} ms` }));
  const total = text.find(({ step }) => step === 'total')?.text ?? 'not yet';
  const parts = text.filter(({ step }) => step !== 'total').map((part) => `${part.step} ${part.text}`);
  return `${total}: ${parts.join(', ')}`;
}

/** Epochs of each direction, then what went wrong. */
function channelRows(channels: StatusReport['channels']): Row[] {
  const { epochs, opened, failed, numbersTaken, halfOpen, turnedAway } = channels;
  return [
    ...CHANNEL_DIRECTIONS.map((direction): Row => [
      `channels ${direction}`,
      `${counts(epochs[direction])}; ${opened[direction]} since the start`,
    ]),
    ['channels failed', `${counts(failed)}; numbers taken twice ${numbersTaken}`],
    ['half-open channels', `${halfOpen}, turned away ${turnedAway}`],
  ];
}

function processText(pid: number | null, restarts: number): string {
  const now = pid === null ? 'off' : `pid ${pid}`;
  return restarts === 0 ? now : `${now}, started again ${restarts} times`;
}

function holdText({ way, why, holderPid, holderRestarts }: StatusReport['hold']): string {
  if (way === 'stop') return `by stopping processes${why === '' ? '' : `: ${why}`}`;
  return `by putting threads to sleep; holder ${processText(holderPid, holderRestarts)}`;
}
