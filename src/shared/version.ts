/** The version of this package, from its package.json: the one place where it is written. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function readVersion(): string {
  // The compiled file lies at different depths in dist/ and in the tests' build/.
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
      if (name === 'tlshub-ebpf' && version !== undefined) return version;
    }
    if (folder === dirname(folder)) return 'unknown';
  }
}

export const VERSION = readVersion();
