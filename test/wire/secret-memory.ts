// SPDX-License-Identifier: Apache-2.0
/** Secrets of epochs in the memory of an agent that has them, found by what they open: nobody is told of them. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { secretOf, type NamedConnection } from './channel-keys.js';
import { openRecord, splitRecords } from './records.js';

const SECRET_BYTES = 32;
/** Secrets begin at multiples of it (native/domain/secrets/memory.cc). */
const ALIGNMENT = 16;

/** The mappings that are locked and never in a core: the memory for secrets is among them, and little else. */
function lockedMappings(pid: number): { from: number; bytes: number }[] {
  const mappings: { from: number; bytes: number }[] = [];
  let at: { from: number; bytes: number } | undefined;
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (head !== null) {
      const [from, to] = [Number.parseInt(head[1]!, 16), Number.parseInt(head[2]!, 16)];
      at = { from, bytes: to - from };
    } else if (at !== undefined && line.startsWith('VmFlags:') && / lo .*dd\b/.test(line)) {
      mappings.push(at);
    }
  }
  return mappings;
}

/** Whatever could be a secret, hexadecimal. @throws Error when the process has no memory for secrets */
export function couldBeSecrets(pid: number): Set<string> {
  const mappings = lockedMappings(pid);
  if (mappings.length === 0) throw new Error(`process ${pid} has no memory for secrets`);
  const found = new Set<string>();
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const { from, bytes } of mappings) {
      const data = Buffer.alloc(bytes);
      readSync(memory, data, 0, bytes, from);
      for (let at = 0; at + SECRET_BYTES <= bytes; at += ALIGNMENT) {
        const secret = data.subarray(at, at + SECRET_BYTES);
        if (secret.some((byte) => byte !== 0)) found.add(secret.toString('hex'));
      }
    }
  } finally {
    closeSync(memory);
  }
  return found;
}

/** Whether an epoch's secret is the one of a connection: its client's first record opens by it. With TLS_AES_128_GCM_SHA256. */
export function isOf({ flow, streams }: NamedConnection, epochSecret: Uint8Array): boolean {
  const [first] = splitRecords(streams.client.data);
  if (first === undefined) throw new Error('the client has said nothing');
  try {
    openRecord(first, secretOf(epochSecret, flow, 'client', 'TLS_AES_128_GCM_SHA256'), 0n);
    return true;
  } catch {
    return false;
  }
}

/** That of a connection's epoch, if it is among these. */
export function epochSecretAmong(secrets: Iterable<string>, connection: NamedConnection): Buffer | undefined {
  for (const secret of secrets) {
    const bytes = Buffer.from(secret, 'hex');
    if (isOf(connection, bytes)) return bytes;
  }
  return undefined;
}
