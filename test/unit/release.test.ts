// SPDX-License-Identifier: Apache-2.0
/** Taking the gate of a dead agent away: when it may be done, what becomes of the connections, and in which order. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { expect } from 'chai';
import { dispositionOf } from '../../src/release/disposition.js';
import { takeAway, type ReleaseKernel } from '../../src/release/release.js';
import { whyAlive, type Liveness } from '../../src/release/liveness.js';
import { lockHolders } from '../../src/shared/files/lock-holders.js';
import { FlowClass, type OwnerRecord, type Tuple } from '../../src/shared/kernel/abi.js';
import { ReleaseError } from '../../src/shared/errors/errors.js';
import type { EndResult } from '../../src/shared/kernel/helpers-addon.js';
import type { GateSettings, Leases, OpenPins, PinLock, Sweep } from '../../src/shared/kernel/kernel-addon.js';
import { parseAddress } from '../../src/shared/net/address.js';
import { kernel } from '../../src/shared/kernel/native.js';
import { FDS, FakeKernel, FakeSweep, sweepBytes, sweepRecords, type SweepSeed } from '../fakes/fake-kernel.js';
import { temporaryFolder } from './support/temporary.js';
import { rejected } from './support/thrown.js';

const SYN_SENT = 2;
const CLOSE = 7;
const LISTEN = 10;
const { PLAINTEXT, REFUSED } = FlowClass;
const BOTH = 3;

const TUPLE: Tuple = {
  local: parseAddress('10.0.0.1'),
  remote: parseAddress('10.0.0.2'),
  lport: 40_000,
  rport: 443,
};
const OWNER: OwnerRecord = { tgid: 4711, fd: 5, inode: 6n, startBoottime: 7n, comm: 'curl' };

describe('release', () => {
  describe('of a gate that somebody may still work on', () => {
    const NOBODY: Liveness = { controlAnswers: false, lockedBy: undefined, agentLeaseMs: -1, guardianLeaseMs: 0 };

    it('goes ahead only without a sign of life', () => {
      expect(whyAlive(NOBODY)).to.equal(undefined);
      expect(whyAlive({ ...NOBODY, agentLeaseMs: -1e12, guardianLeaseMs: -1e12 })).to.equal(undefined);
    });

    it('names the sign', () => {
      const because = (sign: Partial<Liveness>): string | undefined => whyAlive({ ...NOBODY, ...sign });
      expect(because({ controlAnswers: true })).to.include('answers on the control socket');
      expect(because({ lockedBy: ['12 (node)', '13 (tlshub-guardian)'] })).to.match(
        /^process 12 \(node\), 13 \(tlshub-guardian\) works/,
      );
      expect(because({ lockedBy: [] })).to.include('another container');
      expect(because({ agentLeaseMs: 0.2 })).to.equal('the lease of a supervisor runs for another 1 ms');
      expect(because({ guardianLeaseMs: 900 })).to.equal('the lease of a guardian runs for another 900 ms');
    });

    it('reads out of /proc/locks who has the folder', () => {
      const locks = [
        '1: FLOCK  ADVISORY  READ 21 00:2a:77 0 EOF',
        '2: FLOCK  ADVISORY  READ 22 00:2a:77 0 EOF',
        '2: -> FLOCK  ADVISORY  WRITE 23 00:2a:77 0 EOF',
        '3: POSIX  ADVISORY  WRITE 24 00:2a:77 0 EOF',
        '4: FLOCK  ADVISORY  WRITE 25 00:2a:78 0 EOF',
        '5: FLOCK  ADVISORY  WRITE 26 fd:2a:77 0 EOF',
        '',
      ].join('\n');
      expect(lockHolders(locks, { dev: 0x2a, ino: 77 })).to.deep.equal([21, 22]);
      expect(lockHolders(locks, { dev: 0xfd2a, ino: 77 })).to.deep.equal([26]);
      expect(lockHolders('', { dev: 1, ino: 1 })).to.deep.equal([]);
    });
  });

  describe('the lock', () => {
    const path = temporaryFolder();

    it('is not given while another process shares it, and then keeps others away', async () => {
      const holder = spawn('flock', ['--shared', '--no-fork', path(''), 'sh', '-c', 'echo locked; exec sleep 60'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = once(holder, 'exit');
      await once(holder.stdout, 'data');
      expect(kernel().lockPins(path(''))).to.equal(undefined);
      const holders = lockHolders(readFileSync('/proc/locks', 'utf8'), statSync(path('')));
      expect(holders).to.include(holder.pid);
      holder.kill('SIGKILL');
      await ended;
      const lock = kernel().lockPins(path(''));
      const other = spawn('flock', ['--shared', '--nonblock', path(''), 'true'], { stdio: 'inherit' });
      expect((await once(other, 'exit'))[0]).to.equal(1);
      lock?.close();
    });
  });

  describe('of connections', () => {
    const disposition = (seed: Partial<SweepSeed>): string =>
      Array.from(sweepRecords([{ cookie: 1n, tuple: TUPLE, ...seed }]), dispositionOf)[0]!;

    it('leaves what needs no gate', () => {
      expect(disposition({ encrypts: BOTH }), 'secured').to.equal('leave');
      expect(disposition({ encrypts: BOTH, skState: CLOSE, owner: OWNER }), 'secured, and over').to.equal('leave');
      expect(disposition({ class: PLAINTEXT }), 'plaintext').to.equal('leave');
      expect(disposition({ class: 0 }), 'only noted').to.equal('leave');
      expect(disposition({ skState: LISTEN }), 'a listener').to.equal('leave');
      expect(disposition({ skState: CLOSE, establishedNs: 0, owner: OWNER }), 'never connected').to.equal('leave');
      expect(disposition({ skState: CLOSE }), 'over, and nobody has it').to.equal('leave');
    });

    it('ends what only the gate keeps from going in plaintext', () => {
      expect(disposition({}), 'held').to.equal('end');
      expect(disposition({ encrypts: 1 }), 'only one direction has its key').to.equal('end');
      expect(disposition({ skState: SYN_SENT, establishedNs: 0 }), 'connecting').to.equal('end');
      expect(disposition({ refused: 5 }), 'refused by the gate').to.equal('end');
      expect(disposition({ class: REFUSED }), 'refused by policy').to.equal('end');
    });

    it('empties what has ended with bytes that nobody has vouched for', () => {
      expect(disposition({ skState: CLOSE, owner: OWNER })).to.equal('empty');
    });
  });

  describe('itself', () => {
    it('ends what is held before it opens, and takes the programs away last', async () => {
      const world = new World([
        { cookie: 1n, tuple: TUPLE, owner: OWNER },
        { cookie: 2n, tuple: TUPLE },
        { cookie: 3n, tuple: TUPLE, owner: OWNER, encrypts: BOTH },
        { cookie: 4n, tuple: TUPLE, owner: OWNER, skState: CLOSE },
        { cookie: 5n, tuple: TUPLE, owner: OWNER, class: PLAINTEXT },
      ]);
      // Decided by the old settings, and there only when the new ones are in force.
      world.onOpen = () => world.seeds.push({ cookie: 6n, tuple: TUPLE, owner: OWNER });
      world.stopped = [9n];
      const report = await takeAway(world, '/pins', true, 1000);
      expect(report).to.deep.equal({ pinDir: '/pins', pins: 30, ended: 3, secured: 1, continued: 5 });
      expect(world.calls).to.deep.equal([
        'exempt',
        'take 4 from 4711',
        'refuse 4',
        'release 4',
        'take 1 from 4711',
        'refuse 1',
        'release 1',
        'continue 1',
        'destroy 2',
        'continue 2',
        'intent 0',
        'permissive, 0 rules',
        'clear mesh',
        'take 6 from 4711',
        'refuse 6',
        'release 6',
        'continue 6',
        'release pins',
        'continue 9',
        'close pins',
      ]);
      expect(world.open.size, 'descriptors left').to.equal(0);
    });

    it('does nothing while a lease runs', async () => {
      for (const lease of ['agentUntilNs', 'guardianUntilNs'] as const) {
        const world = new World([{ cookie: 1n, tuple: TUPLE, owner: OWNER }]);
        world.leases[lease] = process.hrtime.bigint() + 10_000_000_000n;
        const error = await rejected(ReleaseError, takeAway(world, '/pins', true, 1000));
        expect(error).to.include({ code: 'TLSHUB_RELEASE_ALIVE', exitCode: 1 });
        expect(world.calls).to.deep.equal(['close pins']);
      }
    });

    it('leaves the gate as it is when a connection cannot be ended, and names it', async () => {
      const world = new World([{ cookie: 1n, tuple: TUPLE, owner: OWNER }]);
      world.takeErrors.set(
        1n,
        Array.from({ length: 100 }, () => new Error('has ended')),
      );
      world.destroyError = new Error('SOCK_DESTROY: Operation not supported');
      const error = await rejected(ReleaseError, takeAway(world, '/pins', true, 150));
      expect(error).to.include({ code: 'TLSHUB_RELEASE_HELD', exitCode: 1 });
      expect(error.message)
        .to.include('10.0.0.1 port 40000 to 10.0.0.2 port 443 of curl[4711]')
        .and.include('SOCK_DESTROY: Operation not supported');
      expect(world.calls).not.to.include('release pins');
      expect(world.calls).not.to.include('clear mesh');
    });

    it('only removes the folder of an agent that had attached nothing', async () => {
      const world = new World([]);
      const report = await takeAway(world, '/pins', false, 1000);
      expect(report).to.deep.equal({ pinDir: '/pins', pins: 30, ended: 0, secured: 0, continued: 0 });
      expect(world.calls).to.deep.equal(['release pins']);
    });
  });
});

/** A dead agent's flows; those that are ended are closed at the next look. */
class World extends FakeKernel implements ReleaseKernel {
  readonly leases: Leases = { agentUntilNs: 1n, guardianUntilNs: 0n };
  onOpen: () => void = () => undefined;
  stopped: bigint[] = [];
  destroyError: Error | undefined;

  constructor(readonly seeds: SweepSeed[]) {
    super();
  }

  lockPins(): PinLock {
    return { close: () => undefined };
  }

  openPins(): OpenPins {
    return { fds: FDS, close: () => this.calls.push('close pins') };
  }

  readLeases(): Leases {
    return this.leases;
  }

  exemptSelf(): void {
    this.calls.push('exempt');
  }

  setIntent(_settings: number, intent: number): void {
    this.calls.push(`intent ${intent}`);
  }

  updateSettings(_fds: unknown, { policy, rules }: GateSettings): void {
    this.calls.push(`${policy}, ${rules.length} rules`);
  }

  clearMesh(): void {
    this.calls.push('clear mesh');
    this.onOpen();
  }

  openSweep(): Sweep {
    return new FakeSweep(sweepBytes(this.seeds)).openSweep();
  }

  override refuse(fds: typeof FDS, fd: number, cookie: bigint): EndResult {
    const result = super.refuse(fds, fd, cookie);
    this.close(cookie);
    return result;
  }

  override destroyByTuple(tuple: Tuple, cookie: bigint): boolean {
    if (this.destroyError !== undefined) throw this.destroyError;
    this.close(cookie);
    return super.destroyByTuple(tuple, cookie);
  }

  stoppedFlows(): bigint[] {
    return this.stopped;
  }

  override continueStopped(fds: typeof FDS, cookie: bigint): number {
    super.continueStopped(fds, cookie);
    return cookie === 9n ? 5 : 0;
  }

  releasePins(): number {
    this.calls.push('release pins');
    return 30;
  }

  private close(cookie: bigint): void {
    const seed = this.seeds.find((one) => one.cookie === cookie);
    if (seed !== undefined) Object.assign(seed, { skState: CLOSE, owner: undefined });
  }
}
