// SPDX-License-Identifier: Apache-2.0
/**
 * What the boot gate (native/bootgate) goes by until an agent is there: what this one's gate was last told, kept in a file. Nothing in it is
 * secret, and nobody but root may write it: it decides who is refused. docs/BOOT_GATE.md has the layout.
 */
import { rmdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { Logger } from '../../logging/logger.js';
import { fixedRoot, namesOf, WILDCARD } from '../../config/cgroup-pattern.js';
import { writeWhole } from '../../shared/files/atomic-file.js';
import { makeFolder } from '../../shared/files/make-folder.js';
import { toWire, type WireError } from '../../shared/errors/errors.js';
import type { BootGateReport } from '../../report/status.js';
import type { MeshEntry } from '../../shared/kernel/kernel-addon.js';
import { gateSettings, meshEntries, type GateInputs } from './settings.js';

/** Of native/bootgate/state.cc */
const MAGIC = 'TLShubBG';
const VERSION = 1;
const POLICIES = { closed: 1, open: 2 } as const;
const HEAD_BYTES = 16;
const TAIL_BYTES = 4;
const RULE_BYTES = 28;
const ADDRESS_BYTES = 20;
/** Addresses in one go, as for the gate: some milliseconds of this thread. */
const ADDRESSES_AT_ONCE = 1000;

export const STATE_FILE = 'boot.state';

/** Numbers are little-endian; a text has its length in front of it. */
class Fields {
  private readonly parts: Buffer[] = [];

  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return this.bytes(bytes);
  }

  u64(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return this.bytes(bytes);
  }

  text(text: string): this {
    return this.u32(Buffer.byteLength(text)).bytes(Buffer.from(text));
  }

  bytes(bytes: Buffer): this {
    this.parts.push(bytes);
    return this;
  }

  end(): Buffer {
    return Buffer.concat(this.parts);
  }
}

/** A folder that a pattern's cgroups will lie in, or the one cgroup that is meant. */
function scopeOf(pattern: string): { path: string; isPattern: boolean } {
  const names = namesOf(pattern);
  return { path: fixedRoot(names), isPattern: names.some((name) => WILDCARD.test(name)) };
}

function settingsPart(inputs: GateInputs, policy: keyof typeof POLICIES, nowMs: number): Buffer {
  const { config } = inputs;
  const { holdMs, silentPeerMs, nonblockingMs, keyNetlink, rules } = gateSettings(config);
  const fields = new Fields()
    .u32(POLICIES[policy])
    .u64(nowMs)
    .u64(holdMs)
    .u64(silentPeerMs)
    .u64(nonblockingMs)
    .u32(keyNetlink)
    .text(config.bpfPinDir);
  const scopes = config.capture.cgroup.map(scopeOf);
  fields.u32(scopes.length);
  for (const { path, isPattern } of scopes) fields.u32(isPattern ? 1 : 0).text(path);
  fields.u32(rules.length);
  const table = Buffer.alloc(rules.length * RULE_BYTES);
  rules.forEach(({ addr, prefix, port, rank }, i) => {
    const at = i * RULE_BYTES;
    table.set(addr, at);
    table.writeUInt32LE(prefix, at + 16);
    table.writeUInt32LE(port, at + 20);
    table.writeUInt32LE(rank, at + 24);
  });
  return fields.bytes(table).end();
}

function addressesPart(entries: readonly MeshEntry[]): Buffer {
  const table = Buffer.alloc(entries.length * ADDRESS_BYTES);
  entries.forEach(({ addr, prefix }, i) => {
    const at = i * ADDRESS_BYTES;
    table.set(addr, at);
    table.writeUInt32LE(prefix, at + 16);
  });
  return table;
}

/** The file's parts. Lets the event loop turn now and then: a mapping may have a million addresses. */
export async function encodeBootState(
  inputs: GateInputs,
  policy: keyof typeof POLICIES,
  nowMs: number,
): Promise<Buffer[]> {
  const tables: Buffer[] = [];
  let slice: MeshEntry[] = [];
  let addresses = 0;
  // Numbers of nodes are each agent's own.
  for (const entry of meshEntries(inputs, () => 0)) {
    slice.push(entry);
    if (++addresses % ADDRESSES_AT_ONCE !== 0) continue;
    tables.push(addressesPart(slice));
    slice = [];
    await new Promise((resolve) => setImmediate(resolve));
  }
  tables.push(addressesPart(slice));
  const body = [settingsPart(inputs, policy, nowMs), new Fields().u32(addresses).end(), ...tables];
  const bytes = HEAD_BYTES + body.reduce((sum, part) => sum + part.length, 0) + TAIL_BYTES;
  const whole = [new Fields().bytes(Buffer.from(MAGIC)).u32(VERSION).u32(bytes).end(), ...body];
  const checksum = whole.reduce((sum, part) => crc32(part, sum), 0);
  return [...whole, new Fields().u32(checksum).end()];
}

/** What follows each other closely is written once: the mapping of a large cluster changes all the time. */
const SETTLE_MS = 1000;

/** A folder among the pins, made by the boot gate when it has shut the gate. */
const MARK = 'boot';

/** Of an agent that has adopted what is pinned. @returns since when the gate was shut by the boot gate, ISO 8601; null: it was an agent's */
export function takeBootMark(pinDir: string): string | null {
  const mark = join(pinDir, MARK);
  const made = statSync(mark, { throwIfNoEntry: false })?.mtime;
  if (made === undefined) return null;
  rmdirSync(mark);
  return made.toISOString();
}

/** From now on the settings in force are kept, and those that come after them. */
export function keepBootState(
  inForce: { readonly current: GateInputs; onSwap(listener: () => void): void },
  log: Logger,
): BootStateKeeper {
  const keeper = new BootStateKeeper(() => inForce.current, log);
  inForce.onSwap(() => keeper.changed());
  keeper.changed();
  return keeper;
}

/** Keeps the settings in force, one write at a time. Never throws: the agent's work does not depend on it. */
export class BootStateKeeper {
  private wanted = false;
  private working: Promise<void> | undefined;
  private readonly ending = new AbortController();
  private writtenAt: string | null = null;
  private error: WireError | null = null;

  constructor(
    private readonly inputs: () => GateInputs,
    private readonly log: Logger,
    private readonly settleMs = SETTLE_MS,
  ) {}

  /** There are others in force. */
  changed(): void {
    this.wanted = true;
    this.working ??= this.work();
  }

  /** Tries again what failed. */
  look(): void {
    if (this.error !== null) this.changed();
  }

  /** Resolves when what is in force is kept. */
  async close(): Promise<void> {
    this.ending.abort();
    await this.working;
  }

  report(): Omit<BootGateReport, 'shutSince'> {
    const { bootPolicy: policy } = this.inputs().config;
    return { policy, file: policy === 'off' ? null : this.file, writtenAt: this.writtenAt, error: this.error };
  }

  private get file(): string {
    return join(this.inputs().config.stateDir, STATE_FILE);
  }

  private async work(): Promise<void> {
    while (this.wanted) {
      await sleep(this.settleMs, undefined, { signal: this.ending.signal }).catch(() => undefined);
      this.wanted = false;
      try {
        await this.keep();
        this.error = null;
      } catch (error) {
        const first = this.error === null;
        this.error = toWire(error);
        if (first) this.log.warning(`cannot keep ${this.file} for the boot gate`, { error });
      }
    }
    this.working = undefined;
  }

  private async keep(): Promise<void> {
    const inputs = this.inputs();
    const { bootPolicy: policy, stateDir } = inputs.config;
    const { file } = this;
    if (policy === 'off') {
      await rm(file, { force: true });
      this.writtenAt = null;
      return;
    }
    makeFolder(stateDir, 0o700);
    const now = Date.now();
    await writeWhole(file, await encodeBootState(inputs, policy, now), { replace: true, mode: 0o600 });
    this.writtenAt = new Date(now).toISOString();
  }
}
