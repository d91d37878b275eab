// SPDX-License-Identifier: Apache-2.0
/** More connections than the processors of two nodes can secure: what the rule of admission makes of them, without threads and in no time. */
import { expect } from 'chai';
import type { Phase } from '../../src/supervisor/flow/machine.js';
import { lateness } from '../../src/supervisor/flow/timers.js';
import { Admission, admissionLimits } from '../../src/supervisor/provider/admission.js';
import { Pace } from '../../src/supervisor/provider/pace.js';
import type { AdmissionJob } from '../../src/supervisor/provider/standing.js';
import { TARGET_MS, Window } from '../../src/supervisor/provider/window.js';
import { youngLimits } from '../../src/supervisor/provider/young.js';

/** Of one processor, for both ends: the client's hello, the server's answer, the client's end. In ms; 25 connections a second. */
const BURSTS = [4, 20, 16];
const COST_MS = BURSTS.reduce((sum, ms) => sum + ms);
const HANDSHAKE_TIMEOUT_MS = 5000;

type Node = 0 | 1;

interface Side extends AdmissionJob {
  connection: Connection;
}

interface Connection {
  from: Node;
  sides: { active: Side; passive: Side };
  arrivedMs: number;
  begunMs: number;
  runs: Record<'active' | 'passive', boolean>;
  over: boolean;
}

interface Options {
  /** how much slower the processor is */
  slow?: number;
  /** connections a second that begin, to the capacity */
  load: number;
  seconds: number;
  waitMs?: number;
  /** of those that node 1 begins: 0 none, 0.5 as many as node 0 */
  back?: number;
  /** begins whatever comes, with a deadline that counts from the beginning of the connection: what there was before */
  boundless?: boolean;
  /** peers of node 0 that accept and say nothing, each with a connection that begins anew when it ends */
  silentPeers?: number;
}

interface Result {
  /** to the capacity, from a quarter of the time on */
  goodput: number;
  /** of those that each node began */
  secured: [number, number];
  timedOut: number;
  refusedAtOnce: number;
  waitedInVain: number;
  longestWaitMs: number;
}

/** Two nodes, whose agents share one processor: whoever has something to do gets it by turns. */
function simulate({
  load,
  seconds,
  slow = 1,
  waitMs = 60_000,
  back = 0,
  boundless = false,
  silentPeers = 0,
}: Options): Result {
  let nowMs = 0;
  const any = Number.MAX_SAFE_INTEGER;
  const young = boundless ? { least: any, first: any, most: any, ofAddress: any, ofNode: any } : youngLimits(1024, 1);
  const nodes = [0, 1].map(
    () => new Admission<Side>(admissionLimits(boundless ? 100_000 : 1024, 4096), young, () => nowMs),
  );
  const result: Result = {
    goodput: 0,
    secured: [0, 0],
    timedOut: 0,
    refusedAtOnce: 0,
    waitedInVain: 0,
    longestWaitMs: 0,
  };
  const work: { connection: Connection; burst: number }[] = [];
  const alive = new Set<Connection>();
  const silent: { side: Side; sinceMs: number }[] = [];
  let counted = 0;

  const run = (side: Side): void => {
    const { connection } = side;
    connection.runs[side.role] = true;
    if (side.role === 'active') {
      connection.begunMs = nowMs;
      result.longestWaitMs = Math.max(result.longestWaitMs, nowMs - connection.arrivedMs);
      if (silent.some((each) => each.side === side)) return;
      work.push({ connection, burst: 0 });
    }
  };
  const leave = (node: Node, side: Side, answer: 'succeeded' | 'silent' | 'unclear'): void => {
    for (const next of nodes[node]!.leave(side, answer)) run(next);
  };
  const end = (connection: Connection, answer: 'succeeded' | 'silent' | 'unclear'): void => {
    connection.over = true;
    alive.delete(connection);
    const { from, sides } = connection;
    if (connection.runs.active) leave(from, sides.active, answer);
    else nodes[from]!.withdraw(sides.active);
    leave((1 - from) as Node, sides.passive, answer === 'succeeded' ? answer : 'unclear');
  };
  const connect = (from: Node): void => {
    const peer = `node ${1 - from}`;
    const connection = {
      from,
      arrivedMs: nowMs,
      begunMs: NaN,
      runs: { active: false, passive: false },
      over: false,
    } as Connection;
    connection.sides = {
      active: { role: 'active', node: peer, address: peer, connection },
      passive: { role: 'passive', node: `node ${from}`, address: `node ${from}`, connection },
    };
    alive.add(connection);
    const answer = nodes[from]!.admit(connection.sides.active, waitMs);
    if (answer === 'late' || answer === 'full') {
      result.refusedAtOnce++;
      alive.delete(connection);
      return;
    }
    if (nodes[1 - from]!.admit(connection.sides.passive) === 'run') run(connection.sides.passive);
    if (answer === 'run') run(connection.sides.active);
  };
  const connectToSilent = (at: number): void => {
    const connection = {
      from: 0,
      arrivedMs: nowMs,
      begunMs: NaN,
      runs: { active: false, passive: false },
    } as Connection;
    const side: Side = { role: 'active', node: `silent ${at}`, address: `silent ${at}`, connection };
    silent[at] = { side, sinceMs: nowMs };
    if (nodes[0]!.admit(side, waitMs) === 'run') run(side);
  };
  const expire = (): void => {
    for (const connection of [...alive]) {
      const sinceMs = boundless ? connection.arrivedMs : connection.begunMs;
      if (nowMs - sinceMs > HANDSHAKE_TIMEOUT_MS) {
        result.timedOut++;
        end(connection, 'silent');
      } else if (!connection.runs.active && nowMs - connection.arrivedMs > waitMs) {
        result.waitedInVain++;
        end(connection, 'unclear');
      }
    }
    for (const [at, { side }] of silent.entries()) {
      if (!(nowMs - side.connection.begunMs > HANDSHAKE_TIMEOUT_MS)) continue;
      leave(0, side, 'silent');
      connectToSilent(at);
    }
    for (const node of nodes) for (const next of node.age()) run(next);
  };

  for (let at = 0; at < silentPeers; at++) connectToSilent(at);
  let arrived = 0;
  let lookedMs = 0;
  while (nowMs < seconds * 1000) {
    for (; arrived < (nowMs / (COST_MS * slow)) * load; arrived++) connect(((arrived * 7) % 10) / 10 < back ? 1 : 0);
    if (nowMs - lookedMs >= 250) {
      lookedMs = nowMs;
      expire();
    }
    const turn = work.shift();
    if (turn === undefined) {
      nowMs += 1;
      continue;
    }
    const { connection, burst } = turn;
    if (connection.over) continue;
    nowMs += BURSTS[burst]! * slow;
    if (burst + 1 < BURSTS.length) {
      work.push({ connection, burst: burst + 1 });
      continue;
    }
    result.secured[connection.from]++;
    if (nowMs > seconds * 250) counted++;
    end(connection, 'succeeded');
  }
  return { ...result, goodput: (counted * COST_MS * slow) / (seconds * 750) };
}

describe('overload', () => {
  const told = (result: Result): string => JSON.stringify(result);

  it('without a bound on what is begun next to nothing is secured at five times what two nodes can', () => {
    const result = simulate({ load: 5, seconds: 40, boundless: true });
    expect(result.goodput, told(result)).to.be.lessThan(0.3);
    expect(result.timedOut).to.be.greaterThan(1000);
  });

  for (const load of [1, 2, 5, 10]) {
    it(`at ${load} times what two nodes can as much is secured as they can, and nobody meets a deadline`, () => {
      for (const back of [0, 0.5]) {
        const result = simulate({ load, seconds: 40, back });
        expect(result.goodput, told(result)).to.be.at.least(0.9);
        expect([result.timedOut, result.waitedInVain], told(result)).to.deep.equal([0, 0]);
        // Neither node's own connections go before those that it accepts.
        if (back > 0)
          expect(Math.min(...result.secured) / Math.max(...result.secured), told(result)).to.be.greaterThan(0.6);
      }
    });
  }

  it('whose turn will not come in time is turned away at once, not after the wait', () => {
    for (const load of [2, 5, 10]) {
      const result = simulate({ load, seconds: 60, waitMs: 8000 });
      expect(result.goodput, told(result)).to.be.at.least(0.9);
      expect(result.timedOut, told(result)).to.equal(0);
      expect(result.refusedAtOnce, told(result)).to.be.greaterThan((load - 1) * 25 * 40);
      expect(result.waitedInVain / result.refusedAtOnce, told(result)).to.be.lessThan(0.05);
      expect(result.longestWaitMs, told(result)).to.be.within(6000, 8300);
    }
  });

  it('holds where one negotiation alone takes a third of a second', () => {
    for (const load of [1, 2, 5, 10]) {
      const result = simulate({ load, seconds: 300, slow: 8, back: 0.5, waitMs: 100_000 });
      expect(result.goodput, told(result)).to.be.at.least(0.9);
      // Until the window has found out; with a peer that has an agent they would have had more time.
      expect(result.timedOut / (result.secured[0] + result.secured[1]), told(result)).to.be.lessThan(0.05);
    }
  });

  it('peers that say nothing take no place of those that answer', () => {
    const result = simulate({ load: 2, seconds: 40, silentPeers: 500 });
    expect(result.goodput, told(result)).to.be.at.least(0.9);
    expect(result.timedOut, told(result)).to.equal(0);
  });
});

describe('addresses that have yet to answer', () => {
  it('are few of a node at once; those that have let one grow old keep no other waiting', () => {
    let nowMs = 0;
    const admission = new Admission(admissionLimits(4096, 4096), youngLimits(4096, 1), () => nowMs);
    const job = (address: string): AdmissionJob => ({ role: 'active', node: 'b', address });
    const silent = Array.from({ length: 200 }, (_, at) => `silent ${at}`);
    expect(silent.map((address) => admission.admit(job(address))).filter((answer) => answer === 'run')).to.have.length(
      32,
    );
    while (admission.queued > 0) {
      nowMs += 1000;
      admission.age();
    }
    nowMs += 1000;
    admission.age();
    for (const address of silent) admission.admit(job(address));
    for (let at = 0; at < 4; at++) expect(admission.admit(job('new'))).to.equal('run');
    expect(admission.admit(job('new'))).to.equal('wait');
  });
});

describe('the window', () => {
  const bounds = { least: 4, first: 16, most: 100 };

  it('grows while negotiations are quick and somebody waits, to its bound', () => {
    const window = new Window(bounds);
    for (let at = 0; at < 10; at++) window.succeeded(5, at, false);
    expect(window.places).to.equal(16);
    for (let at = 0; at < 10; at++) window.succeeded(5, at, true);
    expect(window.places).to.equal(26);
    // Near the target by one for all of them.
    for (let at = 0; at < 26; at++) window.succeeded(TARGET_MS * 0.9, at, true);
    expect(window.places).to.be.within(26, 27);
    for (let at = 0; at < 1000; at++) window.succeeded(5, at, true);
    expect(window.places).to.equal(100);
  });

  it('shrinks once for what is late at the same time, and never below what it is to be at least', () => {
    const window = new Window(bounds);
    for (let at = 0; at < 16; at++) window.succeeded(TARGET_MS * 2, at, true);
    expect(window.places).to.equal(11);
    for (let at = 1; at < 20; at++) window.aged(at * 2 * TARGET_MS);
    expect(window.places).to.equal(4);
  });

  it('has patience for four times what negotiations take as a rule, whatever single ones take', () => {
    const window = new Window(bounds);
    expect(window.patienceMs).to.equal(1000);
    for (let at = 0; at < 40; at++) window.succeeded(at % 4 === 0 ? 30_000 : 5, at, true);
    expect(window.patienceMs).to.be.lessThan(2000);
    for (let at = 0; at < 40; at++) window.succeeded(1500, at, true);
    expect(window.patienceMs).to.be.within(4800, 7500);
  });
});

describe('the pace of a queue', () => {
  it('says how long so many more will take, and nothing before it knows', () => {
    const pace = new Pace();
    for (let at = 0; at < 15; at++) pace.moved(at * 100);
    expect(pace.until(1000, 1500)).to.equal(0);
    pace.moved(1500);
    expect(pace.until(10, 1600)).to.equal(1000);
    // It stands still: the longer, the less can be hoped for.
    expect(pace.until(10, 16_000)).to.equal(10_000);
    pace.rest();
    expect(pace.until(10, 16_000)).to.equal(0);
  });
});

describe('how late a flow is', () => {
  const limits = { handshakeTimeoutMs: 5000, overloadTimeoutMs: 60_000 };
  const end = (phase: Phase): [number, string] => {
    for (let waitedMs = 0; ;) {
      const now = lateness(phase, waitedMs, limits);
      if ('late' in now) return [waitedMs, now.late.code];
      expect(now.againMs).to.be.greaterThan(0);
      waitedMs += now.againMs;
    }
  };

  it('depends on what it waits for', () => {
    expect(end('waiting')).to.deep.equal([5000, 'TLSHUB_HANDSHAKE_TIMEOUT']);
    expect(end('pausing')).to.deep.equal([5000, 'TLSHUB_HANDSHAKE_TIMEOUT']);
    expect(end('retrying')).to.deep.equal([60_000, 'TLSHUB_OVERLOAD']);
    expect(end('taking')).to.deep.equal([65_000, 'TLSHUB_OVERLOAD']);
    expect(end('negotiating')).to.deep.equal([65_000, 'TLSHUB_HANDSHAKE_TIMEOUT']);
  });
});
