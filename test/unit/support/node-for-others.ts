/** The program of Node.js, where every user may run it: scripts/node keeps it in a folder below root's home. */
import { chmodSync, copyFileSync, linkSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const OTHERS_MAY_ENTER = 0o001;

function openToOthers(path: string): boolean {
  const folder = dirname(path);
  if ((statSync(path).mode & OTHERS_MAY_ENTER) === 0) return false;
  return folder === path || openToOthers(folder);
}

/** `remove` takes back what was made for it. */
export function nodeForOthers(): { path: string; remove(): void } {
  if (openToOthers(process.execPath)) return { path: process.execPath, remove: () => undefined };
  const dir = mkdtempSync(join(tmpdir(), 'tlshub-node-'));
  chmodSync(dir, 0o755);
  const path = join(dir, 'node');
  try {
    linkSync(process.execPath, path);
  } catch {
    copyFileSync(process.execPath, path); // of another file system
  }
  return { path, remove: () => rmSync(dir, { recursive: true }) };
}
