// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import {
  epochForFlows,
  epochPhase,
  epochTimes,
  mostLive,
  nextEpochId,
  wantsNextEpoch,
  type Epoch,
} from '../../src/supervisor/provider/epochs.js';

const epoch = (changes: Partial<Epoch> = {}): Epoch => ({
  ...{ id: 7, times: epochTimes(120_000), openedMs: 1_000_000, given: 1 },
  ...changes,
});
const at = (ageMs: number): number => 1_000_000 + ageMs;

describe('the life of an epoch', () => {
  it('takes flows for 120 s, is kept for 10 s more, and is over whether it was used or not', () => {
    for (const given of [0, 1, 65_535]) {
      expect(epochPhase(epoch({ given }), at(0))).to.equal('taking');
      expect(epochPhase(epoch({ given }), at(119_999))).to.equal('taking');
      expect(epochPhase(epoch({ given }), at(120_000))).to.equal('kept');
      expect(epochPhase(epoch({ given }), at(129_999))).to.equal('kept');
      expect(epochPhase(epoch({ given }), at(130_000))).to.equal('over');
    }
  });

  it('takes no more flows than it has numbers, also when the counter has gone on', () => {
    for (const given of [65_536, 65_537, 2 ** 31]) {
      expect(epochPhase(epoch({ given }), at(10))).to.equal('kept');
      expect(epochPhase(epoch({ given }), at(129_999))).to.equal('kept');
      expect(epochPhase(epoch({ given }), at(130_000))).to.equal('over');
    }
  });

  it('one that is retired takes no more flows, and is over 10 s later or when it would have been', () => {
    const retired = epoch({ retiredMs: at(50_000) });
    expect(epochPhase(retired, at(50_000))).to.equal('kept');
    expect(epochPhase(retired, at(59_999))).to.equal('kept');
    expect(epochPhase(retired, at(60_000))).to.equal('over');
    expect(epochPhase(epoch({ retiredMs: at(125_000) }), at(130_000))).to.equal('over');
    expect(wantsNextEpoch(retired, at(50_000))).to.equal(true);
    expect(wantsNextEpoch({ ...retired, given: 0 }, at(50_000)), 'that nobody used').to.equal(false);
  });

  it('gives new flows the newest that takes any', () => {
    const old = epoch({ id: 1 });
    const recent = epoch({ id: 2, openedMs: at(100_000) });
    const full = epoch({ id: 3, openedMs: at(110_000), given: 65_536 });
    expect(epochForFlows([old], at(110_000))).to.equal(old);
    for (const all of [
      [old, recent, full],
      [full, recent, old],
    ]) {
      expect(epochForFlows(all, at(110_000))).to.equal(recent);
      expect(epochForFlows(all, at(219_999))).to.equal(recent);
      expect(epochForFlows(all, at(220_000))).to.equal(undefined);
    }
    expect(epochForFlows<Epoch>([], at(0))).to.equal(undefined);
  });

  it('wants the next one while there is time to make it, and not at once', () => {
    for (let id = 1; id < 2000; id += 7) {
      expect(wantsNextEpoch(epoch({ id }), at(97_999))).to.equal(false);
      expect(wantsNextEpoch(epoch({ id }), at(110_000))).to.equal(true);
    }
  });

  it('spreads renewals of epochs that were opened together', () => {
    const due = Array.from({ length: 1000 }, (_, id) => {
      let age = 97_000;
      while (!wantsNextEpoch(epoch({ id }), at(age))) age += 100;
      return Math.floor((age - 98_000) / 1000);
    });
    const perSecond = new Map<number, number>();
    for (const second of due) perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
    expect(perSecond.size).to.be.at.least(12);
    expect(Math.max(...perSecond.values())).to.be.at.most(150);
  });

  it('lets go what nobody has used', () => {
    expect(wantsNextEpoch(epoch({ given: 0 }), at(119_000))).to.equal(false);
  });

  it('wants the next one before its numbers are out, however fast they go', () => {
    for (const perSecond of [600, 1000, 5000, 6000]) {
      let age = 0;
      while (!wantsNextEpoch(epoch({ given: Math.floor((perSecond * age) / 1000) }), at(age))) age += 100;
      const left = 65_536 / perSecond - age / 1000;
      if (perSecond === 600) {
        expect(age, 'by its time').to.be.within(97_000, 110_000);
      } else {
        expect(left, `${perSecond} a second`).to.be.within(9.5, 11);
      }
    }
    expect(wantsNextEpoch(epoch({ given: 5000 }), at(10)), 'a burst at the beginning').to.equal(false);
    expect(wantsNextEpoch(epoch({ given: 65_536 }), at(10))).to.equal(true);
  });

  it('may be short: then the next one is wanted at half of it, and it is kept no shorter', () => {
    const times = epochTimes(2000);
    expect(epochPhase(epoch({ times }), at(2000))).to.equal('kept');
    expect(epochPhase(epoch({ times }), at(11_999))).to.equal('kept');
    expect(epochPhase(epoch({ times }), at(12_000))).to.equal('over');
    expect(wantsNextEpoch(epoch({ times }), at(700))).to.equal(false);
    expect(wantsNextEpoch(epoch({ times }), at(1000))).to.equal(true);
  });

  it('follows another one while that lives, so that several are live, the more the shorter they are', () => {
    expect([2000, 10_000, 120_000, 3_600_000].map((ms) => mostLive(epochTimes(ms)))).to.deep.equal([17, 7, 4, 4]);
    for (const takesMs of [2000, 10_000, 60_000, 120_000, 3_600_000]) {
      const times = epochTimes(takesMs);
      for (let id = 0; id < 100; id++) {
        // Renewed as soon as can be, for as long as the first one lives, and with one that a number ended early.
        let live = 1;
        for (let now = 0; now < takesMs + times.keptMs; live++) {
          let age = 0;
          while (!wantsNextEpoch(epoch({ id, times, openedMs: 0 }), age)) age += takesMs / 200;
          now += age;
        }
        expect(live).to.be.at.most(mostLive(times));
      }
    }
  });

  it('has an id that is not in use, and never 0', () => {
    expect(nextEpochId(4, new Set())).to.equal(5);
    expect(nextEpochId(4, new Set([5, 6, 8]))).to.equal(7);
    expect(nextEpochId(0xff_ffff, new Set([1]))).to.equal(2);
    expect(nextEpochId(0x7f_ffff, new Set())).to.equal(0x80_0000);
  });
});
