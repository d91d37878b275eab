// SPDX-License-Identifier: Apache-2.0
/** Whether this Node.js is one that the agent is tested with. package.json says the same to npm (`engines`). */
import type { CheckedItem } from './check-text.js';

/** Of each release line that is supported, the first that will do; lines after the last one will as well. */
const FIRST: Readonly<Record<number, number>> = { 20: 19, 22: 13, 24: 0 };
const NEWEST_LINE = Math.max(...Object.keys(FIRST).map(Number));

export function checkNode(version: string): CheckedItem {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const first = FIRST[major];
  const ok = first === undefined ? major > NEWEST_LINE : minor >= first;
  const remedy =
    'Install Node.js 24 (nodejs.org, or `scripts/node 24 -- CMD` from a checkout); 22.13 and later and 26 are tested, too.';
  return { name: 'Node.js', ok, detail: `${version}${ok ? '' : ' is not supported'}`, remedy };
}
