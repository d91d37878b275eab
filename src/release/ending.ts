/** Ends the connections that only the gate keeps from going in plaintext, while it still does. */
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SweepRecord } from '../shared/kernel/abi.js';
import { formatAddress } from '../shared/net/address.js';
import { ReleaseError, toWire } from '../shared/errors/errors.js';
import type { KernelAddon, PinnedFds } from '../shared/kernel/kernel-addon.js';
import { readSweep, type SweepKernel } from '../shared/kernel/sweep-records.js';
import { dispositionOf, isSecured } from './disposition.js';

/** Between two looks at the kernel's list, in ms. */
const LOOK_MS = 100;
/** Looks that must find nothing, one after the other: what was decided before the settings changed may come in a moment later. */
const CLEAN_LOOKS = 2;

export type EndingKernel = Pick<
  KernelAddon,
  'takeSocket' | 'refuse' | 'releaseSocket' | 'destroyByTuple' | 'continueStopped'
> &
  SweepKernel;

export class Ending {
  /** processes that stood still for what was ended, and were continued */
  continued = 0;
  /** connections that needed no gate at the last look, since their own kernel TLS protects them */
  secured = 0;
  private readonly tried = new Set<bigint>();
  private readonly emptied = new Set<bigint>();
  private failure = '';

  constructor(
    private readonly kernel: EndingKernel,
    private readonly fds: PinnedFds,
    private readonly limitMs: number,
  ) {}

  /** Connections that were ended. */
  get ended(): number {
    return this.tried.size;
  }

  /** Ends those that are there now; more may come meanwhile. @throws ReleaseError when one of them cannot be ended */
  async endPresent(): Promise<void> {
    let present: Set<bigint> | undefined;
    await this.until((open) => {
      present ??= new Set(open.map(({ cookie }) => cookie));
      return !open.some(({ cookie }) => present?.has(cookie));
    });
  }

  /** Ends all, for when no more can come. @throws ReleaseError when one cannot be ended */
  async endAll(): Promise<void> {
    let clean = 0;
    await this.until((open) => {
      clean = open.length === 0 ? clean + 1 : 0;
      return clean === CLEAN_LOOKS;
    });
  }

  /** @param done is given what each look has found, before it is ended */
  private async until(done: (open: SweepRecord[]) => boolean): Promise<void> {
    const end = performance.now() + this.limitMs;
    for (;;) {
      const records = Array.from(readSweep(this.kernel, this.fds.sweepLink), (record) => record.copy());
      const open = records.filter((record) => dispositionOf(record) === 'end');
      for (const record of records) if (dispositionOf(record) === 'empty') this.empty(record);
      if (done(open)) {
        this.secured = records.filter(isSecured).length;
        return;
      }
      if (performance.now() > end && open[0] !== undefined) throw this.tooLate(open.length, open[0]);
      for (const record of open) this.end(record);
      await sleep(LOOK_MS);
    }
  }

  /** As the agent refuses a connection: reset, nothing of the peer's left to read, and whoever stood still goes on. */
  private end(record: SweepRecord): void {
    this.tried.add(record.cookie);
    // Without a descriptor: nobody has accepted it yet, or a key is set already.
    if (!this.refuse(record)) this.destroy(record);
    this.continued += this.kernel.continueStopped(this.fds, record.cookie);
  }

  private empty(record: SweepRecord): void {
    if (this.emptied.has(record.cookie)) return;
    this.emptied.add(record.cookie);
    this.refuse(record);
  }

  private refuse({ cookie, generation, owner }: SweepRecord): boolean {
    if (owner === undefined) return false;
    return this.attempt(() => {
      const { fd } = this.kernel.takeSocket(this.fds, { ...owner, cookie });
      try {
        this.continued += this.kernel.refuse(this.fds, fd, cookie, generation, owner.tgid).continued;
      } finally {
        this.continued += this.kernel.releaseSocket(this.fds, fd, cookie);
      }
      return true;
    });
  }

  private destroy({ cookie, tuple, owner }: SweepRecord): void {
    const at = (tgid: number): boolean => this.attempt(() => this.kernel.destroyByTuple(tuple, cookie, tgid));
    if (at(owner?.tgid ?? 0)) return;
    // Whose it is was not known, or they have handed it on: the socket's cookie tells it from all others, in whatever namespace it is.
    for (const tgid of namespaces()) if (at(tgid)) return;
  }

  private attempt(run: () => boolean): boolean {
    try {
      return run();
    } catch (error) {
      this.failure = toWire(error).message;
      return false;
    }
  }

  private tooLate(count: number, { tuple, owner }: SweepRecord): ReleaseError {
    const ends = `${formatAddress(tuple.local)} port ${tuple.lport} to ${formatAddress(tuple.remote)} port ${tuple.rport}`;
    const whose = owner === undefined ? '' : ` of ${owner.comm}[${owner.tgid}]`;
    const why = this.failure === '' ? '' : `; the last attempt: ${this.failure}`;
    return new ReleaseError(
      'TLSHUB_RELEASE_HELD',
      `${count} connections that are not secured cannot be ended, such as ${ends}${whose}: the gate stays${why}`,
    );
  }
}

/** A process of each network namespace that there is. */
function namespaces(): number[] {
  const found = new Map<string, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const namespace = readlinkSync(`/proc/${name}/ns/net`);
      if (!found.has(namespace)) found.set(namespace, Number(name));
    } catch {
      // It has ended.
    }
  }
  return [...found.values()];
}
