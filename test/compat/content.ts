// SPDX-License-Identifier: Apache-2.0
/** What the programs exchange: files that are the same in both runs of a situation, and in every run. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** All files of a run, those of each place below it. */
export const WORLD = '/tmp/compat';
/** Served by web servers and their like. */
export const CONTENT = join(WORLD, 'content');

/** Of one line, of a page, of a text, of any bytes. */
export type ContentName = 'line' | 'page.html' | 'text' | 'file';

/** In every one of them. */
export const MARK = 'compat-4c1f';

/** Bytes that no compression takes for less, from a seed. */
function noise(bytes: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < bytes; i++) blocks.push(createHash('sha256').update(`${MARK} ${i}`).digest());
  return Buffer.concat(blocks).subarray(0, bytes);
}

const CONTENTS: Record<ContentName, () => Buffer | string> = {
  line: () => `${MARK} a line of text\n`,
  'page.html': () =>
    `<!DOCTYPE html><html><head><title>${MARK}</title></head><body><h1>${MARK}</h1>` +
    `${Array.from({ length: 40 }, (_, i) => `<p>This is paragraph ${i}.</p>`).join('\n')}</body></html>\n`,
  text: () => Array.from({ length: 3000 }, (_, i) => `${MARK} line ${i} ${'abcdefghij'.repeat(4)}\n`).join(''),
  file: () => Buffer.concat([Buffer.from(MARK), noise(1_000_000)]),
};

export const contentAt = (name: ContentName): string => join(CONTENT, name);
export const digest = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
/** Of a file. */
export const digestOf = (path: string): string => digest(readFileSync(path));

/** An empty folder for this run, with all content in it; of one age, since servers tell it. */
export function makeWorld(): void {
  rmSync(WORLD, { recursive: true, force: true });
  mkdirSync(WORLD);
  mkdirSync(CONTENT, { mode: 0o755 });
  for (const [name, make] of Object.entries(CONTENTS)) {
    writeFileSync(join(CONTENT, name), make(), { mode: 0o644 });
    utimesSync(join(CONTENT, name), 1_700_000_000, 1_700_000_000);
  }
}
