// SPDX-License-Identifier: Apache-2.0
/** TLS records, opened with a traffic secret that is known. */
import { createDecipheriv } from 'node:crypto';
import { trafficKeys } from '../../src/tls/key-schedule.js';

/** Decrypts one AES-128-GCM record (RFC 8446, 5.2): its content type and content. */
export function openRecord(record: Buffer, secret: Uint8Array, sequence: bigint): { type: number; content: string } {
  const { key, iv } = trafficKeys('TLS_AES_128_GCM_SHA256', secret);
  const nonce = Buffer.from(iv);
  nonce.writeBigUInt64BE(nonce.readBigUInt64BE(4) ^ sequence, 4);
  const decipher = createDecipheriv('aes-128-gcm', key, nonce);
  decipher.setAAD(record.subarray(0, 5));
  decipher.setAuthTag(record.subarray(-16));
  const inner = Buffer.concat([decipher.update(record.subarray(5, -16)), decipher.final()]);
  return { type: inner.at(-1) ?? 0, content: inner.subarray(0, -1).toString('latin1') };
}

export function splitRecords(bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    records.push(bytes.subarray(at, end));
    at = end;
  }
  return records;
}
