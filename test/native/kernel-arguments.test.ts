// SPDX-License-Identifier: Apache-2.0
/** What the kernel addon does with arguments that make no sense: a TypeError that names the argument and what it may be, and nothing else. */
import { readdirSync, writeFileSync, openSync, closeSync, ftruncateSync } from 'node:fs';
import { expect } from 'chai';
import type { KernelAddon } from '../../src/shared/kernel/kernel-addon.js';
import { createBeats } from '../../src/shared/ipc/beats.js';
import { kernel } from '../../src/shared/kernel/native.js';
import { temporaryFolder } from '../unit/support/temporary.js';

const addon = kernel();
/** Calls with arguments that their types forbid. */
const any = addon as unknown as Record<keyof KernelAddon, (...args: unknown[]) => unknown>;

const NO_MAPS = { flows: -1, verdicts: -1, stops: -1, userStops: -1, dups: -1, secured: -1 };

const refuses = (run: () => unknown, says: RegExp | string): void => {
  expect(run).to.throw(TypeError, says);
};

describe('arguments of the kernel addon', () => {
  const U32 = 'must be a whole number from 0 to 4294967295';

  for (const value of [-1, 1.5, 2 ** 32, NaN, Infinity, '1', 1n, null, undefined]) {
    it(`refuses ${String(value)} (${typeof value}) as a number of 32 bits, instead of making another of it`, () => {
      refuses(() => any.setIntent(-1, value), `intent ${U32}`);
    });
  }

  for (const value of [2 ** 31, -(2 ** 31) - 1, 0.5, NaN, '0']) {
    it(`refuses ${value} (${typeof value}) as a descriptor`, () => {
      refuses(() => any.readLeases(value), 'leasesFd must be a whole number from -2147483648 to 2147483647');
    });
  }

  for (const value of [-1n, 2n ** 64n, 7, '7']) {
    it(`refuses ${value} (${typeof value}) as a number of 64 bits`, () => {
      const owner = { tgid: 1, fd: -1, inode: value, cookie: 1n };
      refuses(() => any.takeSocket(NO_MAPS, owner), 'inode must be a bigint from 0 to 18446744073709551615');
    });
  }

  it('refuses ports and prefixes that there are not', () => {
    const address = new Uint8Array(16);
    const tuple = { local: address, remote: address, lport: 65536, rport: 1 };
    refuses(() => addon.destroyByTuple(tuple, 1n, 0), 'lport must be a whole number from 0 to 65535');
    const entry = { addr: address, prefix: 129, local: false, node: 0 };
    refuses(() => addon.putMesh(-1, [entry]), 'prefix must be a whole number from 0 to 128');
  });

  it('refuses epochs and nodes that there are not', () => {
    const EPOCH = 'epoch must be a whole number from 0 to 16777215';
    refuses(() => addon.putEpoch(-1, 2 ** 24, 1n), EPOCH);
    refuses(() => addon.numbersGiven(-1, -1), EPOCH);
    refuses(() => addon.putNodeEpoch(-1, 0, 1, 1n), 'node must be a whole number from 1 to 4294967295');
    expect(() => addon.putEpoch(-1, 2 ** 24 - 1, 2n ** 64n - 1n)).to.throw(/Bad file descriptor/);
    expect(() => addon.dropNodeEpoch(-1, 1, 0)).to.throw(/Bad file descriptor/);
  });

  it('takes the largest that there are: then it is the kernel that has no such map', () => {
    expect(() => addon.setIntent(-1, 2 ** 32 - 1)).to.throw(/Bad file descriptor/);
    const owner = { tgid: 2 ** 31 - 1, fd: -1, inode: 2n ** 64n - 1n, startBoottime: 0n, cookie: 0n };
    expect(() => addon.takeSocket(NO_MAPS, owner)).to.throw(/Bad file descriptor/);
  });

  it('takes times of a machine that has run for years', async () => {
    refuses(() => any.dueRecords(-1, 0.5, 1), 'sinceNs must be a whole number');
    const failed: unknown = await addon.dueRecords(-1, 2 ** 60, 1).catch((error: unknown) => error);
    expect(String(failed)).to.match(/Bad file descriptor/);
  });
});

describe('handles of the kernel addon', () => {
  const path = temporaryFolder();

  it('cannot be used after they are closed, nor be made or borrowed from JavaScript', () => {
    const lock = addon.lockPins(path(''));
    if (lock === undefined) throw new Error('somebody has locked a folder of our own');
    const { constructor, close } = lock as unknown as { constructor: new () => unknown; close: () => void };
    refuses(() => new constructor(), 'a PinLock is not made by new');
    refuses(() => close.call({}), /./);
    lock.close();
    refuses(() => lock.close(), 'the PinLock is closed');
  });

  it('lets others lock the folder when it is closed', () => {
    const first = addon.lockPins(path(''));
    expect(addon.lockPins(path(''))).to.equal(undefined);
    first?.close();
    const second = addon.lockPins(path(''));
    expect(second).not.to.equal(undefined);
    second?.close();
  });

  it('is a lease that a file can carry as well as a map, until it is stopped', () => {
    writeFileSync(path('leases'), '');
    const fd = openSync(path('leases'), 'r+');
    ftruncateSync(fd, 4096);
    const before = readdirSync('/proc/self/fd').length;
    const lease = addon.startLease(fd, 1000, 100, createBeats());
    expect(readdirSync('/proc/self/fd').length).to.equal(before + 1);
    lease.stop();
    expect(readdirSync('/proc/self/fd').length).to.equal(before);
    refuses(() => lease.stop(), 'the Lease is closed');
    closeSync(fd);
  });
});
