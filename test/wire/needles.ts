// SPDX-License-Identifier: Apache-2.0
/** What to look for in a process that should have nothing of it: secrets of connections, and what is made of them. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { hkdfExpandLabel, trafficKeys, cipherHash, hashLength } from '../../src/tls/key-schedule.js';
import type { CipherName } from '../../src/shared/kernel/words.js';

/** `name` says what it is, without a space. */
export interface Needle {
  name: string;
  bytes: Uint8Array;
}

/** Labels of the NSS key log whose secrets protect records, and which each stand for keys. */
const TRAFFIC = /^(CLIENT|SERVER)_(HANDSHAKE_TRAFFIC_SECRET|TRAFFIC_SECRET_0)$/;

/** From lines of an NSS key log: each secret, its hexadecimal digits, and the key, iv and Finished key that are made of it. */
export function needlesOf(keyLog: readonly string[], cipher: CipherName): Needle[] {
  const hash = cipherHash(cipher);
  return keyLog.flatMap((line) => {
    const [label = '', , digits = ''] = line.split(' ');
    const secret = Buffer.from(digits, 'hex');
    const needles: Needle[] = [
      { name: label, bytes: secret },
      { name: `${label}:digits`, bytes: Buffer.from(digits, 'latin1') },
    ];
    if (!TRAFFIC.test(label)) return needles;
    const { key, iv } = trafficKeys(cipher, secret);
    const finished = hkdfExpandLabel(hash, secret, 'finished', new Uint8Array(0), hashLength(hash));
    needles.push(
      { name: `${label}:key`, bytes: key },
      { name: `${label}:iv`, bytes: iv },
      { name: `${label}:finished`, bytes: finished },
    );
    return needles;
  });
}

export interface Found {
  name: string;
  /** hexadecimal */
  address: string;
  /** of the mapping: a path, `[heap]`, `[stack]` or `anonymous` */
  mapping: string;
}

/**
 * Where in all of the memory of a process they are.
 * @throws Error when little was searched: then the answer would say nothing
 */
export function searchMemory(pid: number, needles: readonly Needle[], leastBytes = 16 << 20): Found[] {
  const input = needles.map(({ name, bytes }) => `${name} ${Buffer.from(bytes).toString('hex')}\n`).join('');
  const program = fileURLToPath(new URL('../../programs/memory_search', import.meta.url));
  const lines = execFileSync(program, [String(pid)], { input, encoding: 'utf8', maxBuffer: 64 << 20 })
    .trim()
    .split('\n');
  const [, bytes = ''] = /^searched (\d+) bytes$/.exec(lines.pop() ?? '') ?? [];
  if (Number(bytes) < leastBytes) throw new Error(`only ${bytes} bytes of process ${pid} could be searched`);
  return lines.map((line) => {
    const [name = '', address = '', mapping = ''] = line.split(' ');
    return { name, address, mapping };
  });
}

/**
 * The same in a helper process, which is small. What it says of itself must be found: else the answer would say nothing.
 * @throws Error then
 */
export function searchHelper(pid: number, needles: readonly Needle[]): Found[] {
  const own = { name: 'own', bytes: Buffer.from('tlshub-helper is started by the agent') };
  const found = searchMemory(pid, [...needles, own], 1 << 20);
  if (!found.some(({ name }) => name === own.name)) throw new Error(`helper ${pid} could not be searched`);
  return found.filter(({ name }) => name !== own.name);
}

/** How often what was found where, for a message that can be read. */
export function summaryOf(found: readonly Found[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { name, mapping } of found) counts[`${name} in ${mapping}`] = (counts[`${name} in ${mapping}`] ?? 0) + 1;
  return counts;
}
