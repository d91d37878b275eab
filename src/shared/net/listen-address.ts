// SPDX-License-Identifier: Apache-2.0
/** `127.0.0.1:9465` and `[::1]:9465`: where the health endpoint listens. */
import { isIP } from 'node:net';

export interface ListenAddress {
  host: string;
  port: number;
}

/** Undefined for a text that is no address with a port from 1 to 65535. Names are none: they may change their meaning. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const found = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([1-9]\d{0,4})$/.exec(text);
  if (found === null) return undefined;
  const [, six, four, digits] = found;
  const host = six ?? four ?? '';
  const port = Number(digits);
  if (isIP(host) !== (six === undefined ? 4 : 6) || port > 65_535) return undefined;
  return { host, port };
}

export function isLoopbackHost({ host }: ListenAddress): boolean {
  return host.startsWith('127.') || host === '::1';
}

export function formatListenAddress({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
