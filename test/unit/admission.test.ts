// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import type { Role } from '../../src/shared/kernel/words.js';
import { Admission, admissionLimits, type AdmissionLimits } from '../../src/supervisor/provider/admission.js';
import type { AdmissionJob, PeerAnswer } from '../../src/supervisor/provider/standing.js';
import { Random } from './support/random.js';

const job = (node: string, address = node, role: Role = 'active'): AdmissionJob => ({ role, node, address });
const many = (count: number, make: (at: number) => AdmissionJob): AdmissionJob[] =>
  Array.from({ length: count }, (_, at) => make(at));

/** With a processor that is never in the way. */
function admissionOf<J extends AdmissionJob = AdmissionJob>(limits: AdmissionLimits): Admission<J> {
  const any = Number.MAX_SAFE_INTEGER;
  return new Admission<J>(limits, { least: any, first: any, most: any, ofAddress: any, ofNode: any }, () => 0);
}

/** Makes an address known for something. */
function known(admission: Admission<AdmissionJob>, address: string, answer: PeerAnswer): void {
  const one = job(address);
  expect(admission.admit(one)).to.equal('run');
  admission.leave(one, answer);
}

describe('places of a pool', () => {
  it('has bounds for active and passive flows that do not depend on each other, and a place for each in a pool of one', () => {
    expect(admissionLimits(8, 4)).to.deep.equal({ active: 8, passive: 12, queue: 4 });
    expect(admissionLimits(1, 0)).to.deep.equal({ active: 1, passive: 1, queue: 0 });
  });

  it('lets active flows queue, in order, and turns away what exceeds the queue', () => {
    const admission = admissionOf(admissionLimits(1, 3));
    const [first, second, third, fourth] = many(4, () => job('b'));
    expect([first, second, third, fourth].map((each) => admission.admit(each!))).to.deep.equal([
      'run',
      'wait',
      'wait',
      'full',
    ]);
    expect(admission.leave(first!, 'succeeded')).to.deep.equal([second]);
    expect(admission.withdraw(third!)).to.equal(true);
    expect(admission.withdraw(third!)).to.equal(false);
    expect(admission.leave(second!, 'succeeded')).to.deep.equal([]);
    expect(admission.leave(second!, 'succeeded')).to.deep.equal([]);
    expect([admission.inFlight, admission.queued]).to.deep.equal([0, 0]);
  });

  it('begins passive flows at once though active ones fill it, and never queues them', () => {
    const admission = admissionOf(admissionLimits(1, 11));
    admission.admit(job('b'));
    expect(admission.admit(job('b'))).to.equal('wait');
    const passive = many(12, (at) => job(`n${at}`, `p${at}`, 'passive')).map((each) => admission.admit(each));
    expect(passive).to.deep.equal([...Array<string>(9).fill('run'), ...Array<string>(3).fill('full')]);
  });

  it('gives one address a third of the places and one node half of them, of those that are not kept for proven peers', () => {
    const admission = admissionOf(admissionLimits(400, 1000));
    const admitted = (address: string): number =>
      many(400, () => job('b', address)).filter((each) => admission.admit(each) === 'run').length;
    expect(admitted('b1')).to.equal(100);
    expect(admitted('b2')).to.equal(34);
    for (let at = 3; at < 20; at++) admitted(`b${at}`);
    expect(admission.inFlight).to.be.within(145, 150);
    // Another node begins at once, though the queue is long.
    expect(admission.queued).to.be.greaterThan(400);
    expect(admission.admit(job('c'))).to.equal('run');
  });

  it('begins flows of a proven peer at once though any number of silent nodes fills the rest', () => {
    const admission = admissionOf(admissionLimits(256, 4096));
    known(admission, 'good', 'succeeded');
    const silent = many(500, (at) => job(`silent${at}`));
    const answers = silent.map((each) => admission.admit(each));
    expect(answers.filter((answer) => answer === 'run')).to.have.length(192);
    expect(answers.filter((answer) => answer === 'wait')).to.have.length(308);
    const good = many(20, () => job('good'));
    expect(good.map((each) => admission.admit(each))).to.deep.equal(Array(20).fill('run'));
    for (const each of good) expect(admission.leave(each, 'succeeded')).to.deep.equal([]);
  });

  it('gives silent peers no more than a quarter once they are known as such, and new peers the rest', () => {
    // All time out, and come again for ever.
    const running = many(192, (at) => job(`s${at}`));
    const admission = admissionOf(admissionLimits(256, 4096));
    for (const each of running) expect(admission.admit(each)).to.equal('run');
    for (const each of running) admission.leave(each, 'silent');
    const again = many(192, (at) => job(`s${at}`)).map((each) => admission.admit(each));
    expect(again.filter((answer) => answer === 'run')).to.have.length(64);
    expect(again.filter((answer) => answer === 'wait')).to.have.length(128);
    const newcomers = many(128, (at) => job(`new${at}`)).map((each) => admission.admit(each));
    expect(newcomers).to.deep.equal(Array(128).fill('run'));
  });

  it('takes addresses by turns, whatever the length of their lines', () => {
    const admission = admissionOf(admissionLimits(1, 100));
    const running = job('x');
    admission.admit(running);
    for (const each of many(30, () => job('greedy'))) expect(admission.admit(each)).to.equal('wait');
    const modest = job('modest');
    expect(admission.admit(modest)).to.equal('wait');
    const order: AdmissionJob[] = [];
    for (let now = [running]; now.length > 0; order.push(...now))
      now = now.flatMap((each) => admission.leave(each, 'failed'));
    expect(order.indexOf(modest)).to.equal(1);
    expect(order).to.have.length(31);
    expect(admission.inFlight + admission.queued).to.equal(0);
  });

  it('a suspect that answers is proven, one that fails is unknown, and what waits changes lines with it', () => {
    const admission = admissionOf(admissionLimits(8, 100));
    known(admission, 'p', 'silent');
    expect(admission.standing('p')).to.equal('suspect');
    const [first, ...rest] = many(4, () => job('p'));
    expect(admission.admit(first!)).to.equal('run');
    for (const each of rest) expect(admission.admit(each)).to.equal('wait');
    expect(admission.leave(first!, 'succeeded')).to.deep.equal(rest);
    expect(admission.standing('p')).to.equal('proven');
    admission.leave(rest[0]!, 'unclear');
    expect(admission.standing('p')).to.equal('proven');
    admission.leave(rest[1]!, 'failed');
    expect(admission.standing('p')).to.equal('unknown');
    admission.leave(rest[2]!, 'silent');
    expect([admission.inFlight, admission.queued]).to.deep.equal([0, 0]);
  });

  it('keeps within its bounds and never leaves idle what may run, whatever happens in whatever order', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = new Random(seed);
      const limits = admissionLimits(1 + (seed % 7) * 5, seed % 4 === 0 ? 0 : 40);
      const admission = admissionOf(limits);
      const running = new Set<AdmissionJob>();
      const waiting = new Set<AdmissionJob>();
      const count = (role: Role): number => [...running].filter((each) => each.role === role).length;
      for (let step = 0; step < 600; step++) {
        const at = random.below(12);
        const pick = [...(random.below(2) === 0 ? running : waiting)];
        const chosen = pick[random.below(Math.max(1, pick.length))];
        if (random.below(5) < 3) {
          const one = job(`n${at % 4}`, `a${at}`, random.below(3) === 0 ? 'passive' : 'active');
          const answer = admission.admit(one);
          if (answer === 'run') running.add(one);
          if (answer === 'wait') waiting.add(one);
          if (one.role === 'passive') expect(answer).to.not.equal('wait');
          if (count(one.role) === 0) expect(answer).to.equal('run');
        } else if (chosen !== undefined && running.has(chosen)) {
          running.delete(chosen);
          const answers: PeerAnswer[] = ['succeeded', 'silent', 'failed', 'unclear'];
          for (const next of admission.leave(chosen, random.pick(answers))) {
            expect(waiting.delete(next)).to.equal(true);
            running.add(next);
          }
        } else if (chosen !== undefined) {
          expect(admission.withdraw(chosen)).to.equal(waiting.delete(chosen));
        }
        expect(admission.inFlight).to.equal(running.size);
        expect(admission.queued).to.equal(waiting.size);
        expect(count('active')).to.be.at.most(limits.active);
        expect(count('passive')).to.be.at.most(limits.passive);
        expect(waiting.size).to.be.at.most(limits.queue);
        if (waiting.size > 0) expect(count('active'), 'somebody waits for nobody').to.be.greaterThan(0);
      }
      const left = admission.clear();
      expect(left.length).to.equal(waiting.size);
      expect(left.every((each) => waiting.has(each))).to.equal(true);
      expect(admission.queued).to.equal(0);
    }
  });

  /**
   * Two nodes with pools of one place, ten connections each way. A connection is secured when both of its sides run at once. Nothing but
   * places and the order of events decides here, so every order of arrival must come to its end.
   */
  it('two pools of one place never wait for each other', () => {
    type Side = AdmissionJob & { connection: number };
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed);
      const nodes = [admissionOf<Side>(admissionLimits(1, 100)), admissionOf<Side>(admissionLimits(1, 100))];
      const running = [new Map<number, Side>(), new Map<number, Side>()];
      const arrivals = [0, 1].map((node) =>
        Array.from({ length: 20 }, (_, connection): Side => ({
          ...job('peer', 'peer', connection % 2 === node ? 'active' : 'passive'),
          connection,
        })),
      );
      let secured = 0;
      const settle = (): void => {
        for (const connection of [...running[0]!.keys()]) {
          if (!running[1]!.has(connection)) continue;
          secured++;
          for (const node of [0, 1]) {
            const side = running[node]!.get(connection)!;
            running[node]!.delete(connection);
            for (const follower of nodes[node]!.leave(side, 'succeeded'))
              running[node]!.set(follower.connection, follower);
          }
          settle();
          return;
        }
      };
      while (arrivals.some((list) => list.length > 0)) {
        const node = arrivals[0]!.length === 0 ? 1 : arrivals[1]!.length === 0 ? 0 : random.below(2);
        const [side] = arrivals[node]!.splice(random.below(arrivals[node]!.length), 1);
        if (nodes[node]!.admit(side!) === 'run') running[node]!.set(side!.connection, side!);
        settle();
      }
      expect(secured, `order ${seed}`).to.equal(20);
    }
  });
});
