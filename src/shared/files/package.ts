// SPDX-License-Identifier: Apache-2.0
/** Where this package lies: its package.json, and what the build has put into dist/. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NAME = 'tlshub-ebpf';

interface Package {
  root: string;
  version: string;
}

/** Looks upwards: compiled files lie at different depths in dist/ and in the tests' build/. */
function findPackage(): Package {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
      if (name === NAME) return { root: folder, version: version ?? 'unknown' };
    }
    if (folder === dirname(folder)) throw new Error(`no package.json of ${NAME} above ${import.meta.url}`);
  }
}

const found = findPackage();

/** The version of this package, from its package.json: the one place where it is written. */
export const VERSION = found.version;

/** A file that the build makes: an addon, the BPF object, the guardian. `name` is its path below dist/. */
export function builtFile(name: string): string {
  return join(found.root, 'dist', name);
}
