// SPDX-License-Identifier: Apache-2.0
/**
 * Patterns of capture.cgroup: absolute paths in which `*` and `?` stand for a part of one name, and `**` at the end for everything below.
 *
 * A cgroup's programs cover its descendants too, so a pattern that ends in a name that is `*` or `**` is the folder in front of it: all of
 * its children, those to come included, are captured from the moment they exist. (So are programs in that folder itself; in version 2 a folder
 * with children seldom has any.) Only wildcards further up, or as a part of a name, have to be watched for.
 */
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Limit } from '../shared/kernel/abi.generated.js';

/** Captured cgroups at most. */
export const MAX_SCOPES: number = Limit.MAX_SCOPES;

export const WILDCARD = /[*?]/;

/** @throws Error that says what is wrong with it */
export function checkPattern(text: string): void {
  const names = text.split('/');
  if (names.slice(0, -1).includes('**')) throw new Error('** can only stand at the end');
  if (names.some((name) => name !== '**' && name.includes('**'))) throw new Error('** must be a name of its own');
}

/** Its names, without what collapses at the end. */
export function namesOf(pattern: string): string[] {
  const names = resolve(pattern)
    .split('/')
    .filter((name) => name !== '');
  while (names.at(-1) === '*' || names.at(-1) === '**') names.pop();
  return names;
}

/** The longest folder in front of all wildcards. */
export function fixedRoot(names: readonly string[]): string {
  const first = names.findIndex((name) => WILDCARD.test(name));
  return `/${(first === -1 ? names : names.slice(0, first)).join('/')}`;
}

export interface Expansion {
  /** folders that match */
  matched: string[];
  /** folders in which others that match may appear, or one of those vanish */
  watch: string[];
}

/** What there is now. */
export function expand(names: readonly string[]): Expansion {
  const found: Expansion = { matched: [], watch: [] };
  const walk = (folder: string, at: number): void => {
    const name = names[at];
    if (name === undefined) {
      found.matched.push(folder);
      return;
    }
    const candidates = WILDCARD.test(name) ? children(folder, expressionOf(name)) : [name];
    const there = candidates.map((child) => join(folder, child)).filter(isFolder);
    if (there.length === 0 || at === names.length - 1 || WILDCARD.test(name)) found.watch.push(folder);
    for (const child of there) walk(child, at + 1);
  };
  walk('/', 0);
  return found;
}

/** Without those that lie inside another one. */
export function outermost(folders: readonly string[]): string[] {
  const all = new Set(folders);
  return [...all].filter((folder) => {
    for (let slash = folder.lastIndexOf('/'); slash > 0; slash = folder.lastIndexOf('/', slash - 1)) {
      if (all.has(folder.slice(0, slash))) return false;
    }
    return folder === '/' || !all.has('/');
  });
}

function expressionOf(name: string): RegExp {
  const text = name
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${text}$`, 's');
}

/** Names of folders; a folder that is not there (any more) has none. */
function children(folder: string, matching: RegExp): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && matching.test(entry.name))
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
