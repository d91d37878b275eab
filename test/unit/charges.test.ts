// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { Charges } from '../../src/supervisor/flow/charges.js';

/** As kChargeBits in native/domain/helper/helpers.h. */
const PROCESSES = 2 ** 22;

describe('charges', () => {
  const cgroups: Record<number, string> = { 10: '/pod-a', 11: '/pod-a', 12: '/pod-b' };
  const asked: number[] = [];
  const charges = new Charges((tgid) => {
    asked.push(tgid);
    return cgroups[tgid];
  });
  const of = (tgid: number, startBoottime = 1n): number => charges.of({ tgid, startBoottime });
  const groupOf = (charge: number): number => Math.floor(charge / PROCESSES);

  it('are one for each process, and of processes of one cgroup the same in front', () => {
    expect(of(10)).to.not.equal(of(11));
    expect(groupOf(of(10))).to.equal(groupOf(of(11)));
    expect(groupOf(of(12))).to.not.equal(groupOf(of(10)));
    expect(of(10) % PROCESSES).to.equal(10);
    expect(charges.cgroup(of(12))).to.equal('/pod-b');
  });

  it('are asked for once, and again when the number is that of another process', () => {
    asked.length = 0;
    of(10);
    expect(asked).to.deep.equal([]);
    cgroups[10] = '/pod-c';
    expect(charges.cgroup(of(10, 2n))).to.equal('/pod-c');
    expect(asked).to.deep.equal([10]);
  });

  it('are never nobody: processes that have ended share what one cgroup may have', () => {
    expect(of(99)).to.be.greaterThan(0);
    expect(groupOf(of(99))).to.equal(groupOf(of(98)));
    expect(charges.cgroup(of(99))).to.include('ended');
  });

  it('are the kernel’s word for a process that runs', () => {
    const real = new Charges();
    expect(real.cgroup(real.of({ tgid: process.pid, startBoottime: 1n }))).to.match(/^\/|ended/);
  });

  it('do not grow without bound', () => {
    for (let tgid = 1000; tgid < 10_000; tgid++) of(tgid);
    asked.length = 0;
    of(1000);
    of(9999);
    expect(asked).to.deep.equal([1000]);
  });
});
