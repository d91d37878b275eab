// SPDX-License-Identifier: Apache-2.0
/** Answers as tables for people. Text from elsewhere goes through `printable`. */
import Table from 'cli-table3';
import type { ChannelReport } from '../report/channel.js';
import type { PodReport } from '../report/pod.js';
import type { ReloadReport } from '../report/reload.js';
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

export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  return `${days > 0 ? `${days} d ` : ''}${hours} h ${minutes} min ${seconds % 60} s`;
}

/** Figures by name, on one line. */
export function counts(values: Record<string, number>): string {
  const parts = Object.entries(values).map(([name, value]) => `${name} ${value}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
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
