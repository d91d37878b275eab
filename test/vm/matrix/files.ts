// SPDX-License-Identifier: Apache-2.0
/** Content that the programs of the matrix exchange: in files, since that is what most of them take, and known by its SHA-256. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const FOLDER = '/tmp/matrix';

/** A path in the folder of this run. */
export const at = (name: string): string => join(FOLDER, name);

export interface Content {
  path: string;
  sha256: string;
  /** parts of it that would be found on the wire if it were there; none when it is too short to be found for certain */
  secrets: Buffer[];
}

export const digest = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
export const digestOf = (path: string): string => digest(readFileSync(path));

/** An empty folder for this run. */
export function makeFolder(): void {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { mode: 0o777 });
}

/** Random content; with `text`, of lines of 64 characters that any program takes. */
export function makeContent(name: string, bytes: number, text = false): Content {
  const data = text
    ? Buffer.from(
        randomBytes(Math.ceil(bytes / 2))
          .toString('hex')
          .replace(/.{63}/g, '$&\n')
          .trimEnd() + '\n',
      )
    : randomBytes(bytes);
  writeFileSync(at(name), data, { mode: 0o644 });
  const sample = (from: number): Buffer => data.subarray(from, from + 24);
  const middle = Math.floor(data.length / 2);
  return {
    path: at(name),
    sha256: digest(data),
    secrets: data.length < 100 ? [] : [sample(0), sample(middle), sample(data.length - 24)],
  };
}
