// SPDX-License-Identifier: Apache-2.0
/**
 * Which cgroups are captured: those that match capture.cgroup, as they come and go.
 *
 * The folders in which one may appear are watched (inotify, which sees every mkdir and rmdir on cgroupfs), so a new cgroup is captured as soon
 * as this thread has a turn. Until then nothing is known of a program in it, and what it sends is plaintext; its connections to the mesh have
 * no flow state, and the gate refuses them from then on. Only below a folder that is captured already is there no such moment, since the
 * programs of a cgroup are inherited. A look every now and then makes up for a watch that was lost.
 */
import { statSync, watch, type FSWatcher } from 'node:fs';
import type { Logger } from '../../logging/logger.js';
import { MAX_SCOPES, expand, fixedRoot, namesOf, outermost } from '../../config/cgroup-pattern.js';

export interface ScopeGate {
  /** @throws TLSHUB_CGROUP when it is no cgroup, TLSHUB_GATE */
  attachCgroup(path: string): void;
  detachCgroup(path: string): void;
}

export interface ScopePlan {
  /** cgroups to capture, none inside another */
  capture: string[];
  /** folders to watch */
  watch: string[];
  /** patterns that nothing matches yet */
  waiting: string[];
  /** patterns that match so many that the folder in front of their wildcards is captured as a whole */
  collapsed: string[];
}

/** What patterns mean now. */
export function planScope(patterns: readonly string[], maxScopes = MAX_SCOPES): ScopePlan {
  const found = patterns.map((pattern) => {
    const names = namesOf(pattern);
    return { pattern, names, ...expand(names) };
  });
  const collapsed: string[] = [];
  const capture = (): string[] => outermost(found.flatMap(({ matched }) => matched));
  // More rather than less: what cannot be named one by one is captured together with its neighbours.
  while (capture().length > maxScopes) {
    const widest = found.reduce((most, one) => (one.matched.length > most.matched.length ? one : most));
    if (widest.matched.length < 2) break;
    widest.matched = [fixedRoot(widest.names)];
    collapsed.push(widest.pattern);
  }
  return {
    capture: capture(),
    watch: [...new Set(found.flatMap((one) => one.watch))],
    waiting: found.filter(({ matched }) => matched.length === 0).map(({ pattern }) => pattern),
    collapsed,
  };
}

/** New patterns whose cgroups are captured already, beside the old ones. One of the two must be called, once. */
export interface PreparedScope {
  /** lets the old ones go */
  commit: () => void;
  discard: () => void;
}

interface Watched {
  inode: bigint;
  watcher: FSWatcher;
}

export class Scope {
  /** captured cgroups with their inodes: a cgroup that is made anew under the same name is another one */
  private readonly captured = new Map<string, bigint>();
  private readonly watched = new Map<string, Watched>();
  private waitingFor: string[] = [];
  private told = new Set<string>();
  private looking = false;
  private closed = false;

  /** @param gate has the cgroups of `plan` already */
  constructor(
    private patterns: readonly string[],
    plan: ScopePlan,
    private readonly gate: ScopeGate,
    private readonly log: Logger,
  ) {
    for (const path of plan.capture) this.captured.set(path, inodeOf(path) ?? 0n);
    this.note(plan);
    // Between the plan and the watches something may have changed.
    this.look();
  }

  get cgroups(): string[] {
    return [...this.captured.keys()];
  }

  /** Patterns that nothing matches yet. */
  get waiting(): readonly string[] {
    return this.waitingFor;
  }

  /** @throws what the gate says of a folder that is no cgroup; then nothing has changed */
  prepare(patterns: readonly string[]): PreparedScope {
    const added: string[] = [];
    const discard = (): void => {
      for (const path of added) this.release(path);
    };
    try {
      for (const path of planScope(patterns).capture) {
        if (this.captured.has(path)) continue;
        this.capture(path);
        added.push(path);
      }
    } catch (error) {
      discard();
      throw error;
    }
    return {
      commit: () => {
        this.patterns = patterns;
        this.look();
      },
      discard,
    };
  }

  /** Looks what there is now, and captures and releases accordingly. Never throws. */
  look(): void {
    if (this.closed) return;
    // A folder that was not watched before may have changed before it was.
    for (let rounds = 0; rounds < 8 && this.lookOnce(); rounds++);
  }

  close(): void {
    this.closed = true;
    for (const { watcher } of this.watched.values()) watcher.close();
    this.watched.clear();
  }

  /** True if it watches more folders than before. */
  private lookOnce(): boolean {
    const plan = planScope(this.patterns);
    const wanted = new Set(plan.capture);
    // Outer ones come before the inner ones that they take the place of go, so that nothing is let go in between.
    for (const path of wanted) {
      const inode = inodeOf(path);
      const known = this.captured.get(path);
      if (inode === undefined || known === inode) continue;
      if (known !== undefined) this.release(path);
      try {
        this.capture(path);
        this.log.info(`captured: ${path}`);
      } catch (error) {
        if (inodeOf(path) === undefined) continue;
        this.tell(`cannot capture ${path}`, error);
      }
    }
    for (const path of this.cgroups) {
      if (wanted.has(path)) continue;
      this.release(path);
      this.log.info(`no longer captured: ${path}`);
    }
    this.note(plan);
    return this.watchFolders(plan.watch);
  }

  private capture(path: string): void {
    const inode = inodeOf(path) ?? 0n;
    this.gate.attachCgroup(path);
    this.captured.set(path, inode);
  }

  private release(path: string): void {
    this.captured.delete(path);
    try {
      this.gate.detachCgroup(path);
    } catch (error) {
      this.tell(`cannot let go of ${path}`, error);
    }
  }

  private note(plan: ScopePlan): void {
    const messages = [
      ...plan.waiting.map((pattern) => `no cgroup matches ${pattern} yet: waiting for one`),
      ...plan.collapsed.map(
        (pattern) => `${pattern} matches more than ${MAX_SCOPES} cgroups: captured is ${fixedRoot(namesOf(pattern))}`,
      ),
    ];
    this.told = new Set([...this.told].filter((message) => messages.includes(message) || message.startsWith('cannot')));
    for (const message of messages) this.tell(message);
    this.waitingFor = plan.waiting;
  }

  /** Once, however often it is looked. */
  private tell(message: string, error?: unknown): void {
    if (this.told.has(message)) return;
    this.told.add(message);
    this.log.warning(message, error === undefined ? {} : { error });
  }

  private watchFolders(folders: readonly string[]): boolean {
    const wanted = new Map(folders.map((folder) => [folder, inodeOf(folder)]));
    for (const [folder, { inode, watcher }] of [...this.watched]) {
      if (wanted.get(folder) === inode) continue;
      watcher.close();
      this.watched.delete(folder);
    }
    let more = false;
    for (const [folder, inode] of wanted) {
      if (inode === undefined || this.watched.has(folder)) continue;
      try {
        // Names that come and go are `rename`; what is written to a cgroup's files is `change`, and is none of ours.
        const watcher = watch(folder, { persistent: false }, (kind) => {
          if (kind === 'rename') this.lookSoon();
        });
        watcher.on('error', () => this.lookSoon());
        this.watched.set(folder, { inode, watcher });
        more = true;
      } catch (error) {
        this.tell(`cannot watch ${folder}`, error);
      }
    }
    return more;
  }

  private lookSoon(): void {
    if (this.looking) return;
    this.looking = true;
    setImmediate(() => {
      this.looking = false;
      this.look();
    });
  }
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}
