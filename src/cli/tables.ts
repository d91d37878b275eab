// SPDX-License-Identifier: Apache-2.0
/** Answers as tables for people. Text from elsewhere goes through `printable`. */
import Table from 'cli-table3';
import { CHANNEL_DIRECTIONS, type ChannelReport } from '../report/channel.js';
import type { FlowReport } from '../report/flow.js';
import type { PodReport } from '../report/pod.js';
import type { ReloadReport } from '../report/reload.js';
import type { StatusReport } from '../report/status.js';
import { EXCHANGES, FLOW_STATES } from '../report/flow.js';
import type { ProbeResult } from '../shared/kernel/kernel-addon.js';
import type { ReleaseReport } from '../release/release.js';
import { printable } from '../shared/text/printable.js';

/** Columns with two spaces between them and no borders: reads well, and still goes through awk. */
const BARE = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** Rows of text, under a head if one is given; lines end without blanks, the last without a newline. */
export function table(rows: string[][], head?: string[]): string {
  const style = { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true };
  const drawn = new Table({ chars: BARE, style, ...(head === undefined ? {} : { head }) });
  drawn.push(...rows.map((row) => row.map(printable)));
  return drawn.toString().replace(/ +$/gm, '');
}

function milliseconds(value: number | null): string {
  return value === null ? '-' : value.toFixed(value < 10 ? 2 : 1);
}

function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export const FLOW_COLUMNS = [
  'COOKIE',
  'ROLE',
  'SOURCE',
  'DESTINATION',
  'PROGRAM',
  'POD',
  'PEER NODE',
  'PROVIDER',
  'EXCHANGE',
  'EPOCH',
  'CIPHER',
  'STATE',
  'HOLD',
  'HOLD ms',
  'ULP',
  'REASON',
];

/** The cells of a flow under FLOW_COLUMNS; '-' for what is not known. */
export function flowRow(flow: FlowReport): string[] {
  return [
    flow.cookie,
    flow.role,
    endpoint(flow.src, flow.sport),
    endpoint(flow.dst, flow.dport),
    flow.pid === null ? '-' : `${flow.comm ?? '?'} (${flow.pid})`,
    flow.pod ?? '-',
    flow.peerNode ?? '-',
    flow.provider ?? '-',
    flow.exchange ?? '-',
    flow.epoch === null ? '-' : String(flow.epoch),
    flow.cipher ?? '-',
    flow.state,
    flow.hold,
    milliseconds(flow.holdMs),
    flow.kernelUlp ?? '-',
    flow.reason,
  ];
}

export function flowsTable(flows: FlowReport[]): string {
  return flows.length === 0 ? 'no flows' : table(flows.map(flowRow), FLOW_COLUMNS);
}

const CHANNEL_COLUMNS = [
  'NODE',
  'DIRECTION',
  'STATE',
  'EPOCH',
  'LIBRARY',
  'CIPHER',
  'GROUP',
  'AGE',
  'CONNECTIONS',
  'RENEWALS',
  'LAST ERROR',
];

export function channelsTable(channels: ChannelReport[]): string {
  if (channels.length === 0) return 'no channels';
  const rows = channels.map((channel) => [
    channel.node,
    channel.direction,
    channel.state,
    channel.epoch === 0 ? '-' : String(channel.epoch),
    channel.library || '-',
    channel.cipher || '-',
    channel.group || '-',
    duration(channel.ageMs),
    String(channel.flows),
    String(channel.renewals),
    channel.lastError === null ? '' : `${channel.lastError.at} ${channel.lastError.code}: ${channel.lastError.reason}`,
  ]);
  return table(rows, CHANNEL_COLUMNS);
}

function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  return `${days > 0 ? `${days} d ` : ''}${hours} h ${minutes} min ${seconds % 60} s`;
}

function delays({ p50Us, p99Us, maxUs }: StatusReport['events']['toRing']): string {
  const us = (value: number | null): string => (value === null ? '-' : `${value.toFixed(0)} µs`);
  return `p50 ${us(p50Us)}, p99 ${us(p99Us)}, max ${us(maxUs)}`;
}

function counts(values: Record<string, number>): string {
  const parts = Object.entries(values).map(([name, value]) => `${name} ${value}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

/** The whole first, then what it is made of. */
function startup(steps: StatusReport['startup']): string {
  const text = steps.map(({ step, ms }) => ({ step, text: `${ms.toFixed(0)} ms` }));
  const total = text.find(({ step }) => step === 'total')?.text ?? 'not yet';
  const parts = text.filter(({ step }) => step !== 'total').map((part) => `${part.step} ${part.text}`);
  return `${total}: ${parts.join(', ')}`;
}

export function statusTable(status: StatusReport): string {
  const { lastConfigError: failed } = status;
  const flows = Object.fromEntries(FLOW_STATES.map((state) => [state, status.flows[state]]));
  const exchanges = Object.fromEntries(EXCHANGES.map((exchange) => [exchange, status.exchanges[exchange]]));
  const rows = [
    [
      'supervisor',
      `${status.version}, pid ${status.pid}, up ${duration(status.uptimeMs)}${status.draining ? ', draining' : ''}`,
    ],
    ['started in', startup(status.startup)],
    ['ready', status.ready ? 'yes' : `no: ${status.notReady.join('; ')}`],
    ['node', status.node],
    ['mode', status.mode],
    ...status.providers.map((provider) => [
      'provider',
      `${provider.name} (${provider.state}): ${provider.libraryVersion}, ${provider.libraryFile}; ${provider.workers} workers, ${provider.inFlight} in flight, ${provider.queued} queued, ${provider.succeeded} succeeded (${provider.resumed} resumed), ${provider.failed} failed`,
    ]),
    ['exchange', `${status.exchange}; secured: ${counts(exchanges)}`],
    ...(status.exchange === 'channel' ? channelRows(status.channels) : []),
    ['policy', status.policy],
    ['cgroups', status.cgroups.join(', ') || 'none'],
    ...status.cgroupsAwaited.map((pattern) => ['waiting for', pattern]),
    ['configuration', status.configFile],
    ['mapping', `${status.mapping.pods} pods, ${status.mapping.networks} networks, from ${status.mapping.source}`],
    ['flows', counts(flows)],
    ['failures', counts(status.failures)],
    ['events', `${counts(status.events.received)}; lost ${status.events.lost}`],
    ['event to ring', delays(status.events.toRing)],
    ...status.rings.map((ring) => [
      `ring ${ring.name}`,
      `${ring.usedBytes} of ${ring.capacityBytes} bytes used, ${ring.overflows} overflows`,
    ]),
    ['gate', counts(status.gate) + (status.adopted ? '; adopted from an earlier agent' : '')],
    [
      'lease',
      `${status.lease.ttlMs} ms; guardian ${status.lease.guardianPid === null ? 'off' : `pid ${status.lease.guardianPid}`}`,
    ],
    ['hold', holdText(status.hold)],
    ['last signs of life', status.lease.threads.map(({ thread, ms }) => `${thread} ${ms} ms ago`).join(', ')],
    ['helpers', counts(status.helpers)],
    ['reloads', `${status.reloads.succeeded} succeeded, ${status.reloads.failed} failed`],
    ['last reload', failed === null ? 'no error' : `failed at ${failed.at}: ${failed.error.message}`],
    ...status.needsRestart.map(({ key, inForce, wanted }) => ['needs a restart', `${key}: ${inForce} -> ${wanted}`]),
  ];
  return table(rows);
}

/** Epochs of each direction, then what went wrong. */
function channelRows({
  epochs,
  opened,
  failed,
  numbersTaken,
  halfOpen,
  turnedAway,
}: StatusReport['channels']): string[][] {
  return [
    ...CHANNEL_DIRECTIONS.map((direction) => [
      `channels ${direction}`,
      `${counts(epochs[direction])}; ${opened[direction]} since the start`,
    ]),
    ['channels failed', `${counts(failed)}; numbers taken twice ${numbersTaken}`],
    ['half-open channels', `${halfOpen}, turned away ${turnedAway}`],
  ];
}

function holdText({ way, why, holderPid }: StatusReport['hold']): string {
  if (way === 'stop') return `by stopping processes${why === '' ? '' : `: ${why}`}`;
  return `by putting threads to sleep; holder ${holderPid === null ? 'off' : `pid ${holderPid}`}`;
}

/** What a reload changed, a line each. */
export function reloadText({ changes, needsRestart }: ReloadReport): string {
  const lines = changes.length === 0 ? ['reloaded: nothing has changed'] : changes.map((line) => `changed: ${line}`);
  return [...lines, ...needsRestart.map((line) => `needs a restart: ${line}`)].map(printable).join('\n');
}

export function releaseText({ pinDir, pins, ended, secured, continued }: ReleaseReport): string {
  return [
    `released ${pinDir}: ${pins} pins`,
    `connections ended: ${ended}`,
    `secured connections that run on: ${secured}`,
    `processes continued: ${continued}`,
  ].join('\n');
}

export function podsTable(pods: PodReport[]): string {
  if (pods.length === 0) return 'no pods';
  const rows = pods.map(({ pod, node, addresses }) => [pod, node, addresses.length === 0 ? '-' : addresses.join(' ')]);
  return table(rows, ['POD', 'NODE', 'ADDRESSES']);
}

/** What is there first to last, each with what was seen; what is missing with its remedy. */
export function checkTable(probes: ProbeResult[]): string {
  const rows = probes.map(({ name, ok, detail, remedy }) => [name, ok ? 'ok' : 'MISSING', detail, ok ? '' : remedy]);
  return table(rows, ['CHECK', 'RESULT', 'SEEN', 'REMEDY']);
}
