// SPDX-License-Identifier: Apache-2.0
/** What rounds come to, which mode is called the best, and the sentence that says so. */
import { lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { conclusionOf, warningsOf } from '../../bench/perf/conclusion.js';
import { BULK, CONNECTIONS, HOLD, bestOf } from '../../bench/perf/figures.js';
import { linkLatest, makeRunFolder } from '../../bench/perf/folder.js';
import { comparisonText, type Summary } from '../../bench/perf/report.js';
import { overRounds, spreadOf, turns, type ModeSummary } from '../../bench/perf/rounds.js';
import type { Distribution, RoundSummary } from '../../bench/perf/summary.js';
import { describeMachine } from '../../bench/report/machine.js';
import { temporaryFolder } from './support/temporary.js';

const distribution = (p50: number): Distribution => ({
  ...{ count: 10, avg: p50, p50, p90: p50 * 2 },
  ...{ p99: p50 * 3, max: p50 * 4 },
});

function round(mode: string, hold: number, perSecond: number, bulk: number): RoundSummary {
  return {
    ...{ mode, total_connections: 12, successful_connections: 11, failed_connections: 0, note: '' },
    ...{ exchanges: { channel: 11 }, connections_per_second: perSecond, bulk_throughput_mbps: bulk },
    ...{ hold_ms: distribution(hold), connection_latency_ms: distribution(hold + 1) },
    ...{ negotiation_ms: distribution(1), install_ms: distribution(1), peer_hold_ms: distribution(1) },
    ...{ agent_a_cpu_ms_per_connection: 5, agent_b_cpu_ms_per_connection: 5, agents_bulk_cpu_percent: 1 },
    ...{ bulk_cpu_seconds_per_gb: 9, agent_a_max_rss_kb: 1024, agent_b_max_rss_kb: 2048 },
  };
}
/** A mode of as many rounds as there are holds; other figures are the same in each unless given. */
const mode = (name: string, holds: number[], perSecond: number[] = [20], bulk: number[] = [100]): ModeSummary =>
  overRounds(holds.map((hold, at) => round(name, hold, perSecond[at] ?? perSecond[0]!, bulk[at] ?? bulk[0]!)));

describe('a comparison of modes', () => {
  it('the spread of rounds is their median, the lowest and the highest', () => {
    expect(spreadOf([3, 1, 2])).to.deep.equal({ median: 2, min: 1, max: 3 });
    expect(spreadOf([1, 4])).to.deep.equal({ median: 2.5, min: 1, max: 4 });
    expect(spreadOf([5])).to.deep.equal({ median: 5, min: 5, max: 5 });
  });

  it('of the rounds counts are added up and figures are medians', () => {
    const rounds = [round('x', 30, 1, 100), round('x', 10, 3, 300), round('x', 20, 2, 200)];
    rounds[0]!.failed_connections = 2;
    rounds[1]!.exchanges = { channel: 10, 'in-band': 1 };
    const all = overRounds(rounds);
    expect(all).to.include({ mode: 'x', total_connections: 36, successful_connections: 33, failed_connections: 2 });
    expect(all).to.include({ connections_per_second: 2, bulk_throughput_mbps: 200 });
    expect(all.exchanges).to.deep.equal({ channel: 32, 'in-band': 1 });
    expect(all.hold_ms).to.deep.equal({ count: 30, avg: 20, p50: 20, p90: 40, p99: 60, max: 80 });
    expect(all.rounds).to.deep.equal(rounds);
    expect(() => overRounds([])).to.throw('without a round');
  });

  it('no mode has the same turn in every round', () => {
    const modes = ['a', 'b', 'c'];
    expect([0, 1, 2, 3].map((n) => turns(modes, n).join(''))).to.deep.equal(['abc', 'bca', 'cab', 'abc']);
    expect(turns(['a'], 5)).to.deep.equal(['a']);
  });

  it('the best is better in its worst round than all others in their best', () => {
    const modes = [mode('slow', [30, 32, 34]), mode('fast', [10, 11, 12]), mode('middle', [20, 21, 22])];
    expect(bestOf(HOLD, modes)).to.deep.include({ mode: 'fast', next: 'middle' });
    // More is better: 20 in all of them.
    expect(bestOf(CONNECTIONS, modes)).to.equal(undefined);
    const more = [mode('few', [1, 1], [10, 12]), mode('many', [1, 1], [13, 15])];
    expect(bestOf(CONNECTIONS, more)).to.deep.include({ mode: 'many', next: 'few' });
  });

  it('none is the best where rounds overlap or touch, with one outlier, with one round or one mode', () => {
    expect(bestOf(HOLD, [mode('a', [10, 11, 12]), mode('b', [12, 13, 14])])).to.equal(undefined);
    expect(bestOf(HOLD, [mode('a', [10, 11, 99]), mode('b', [20, 21, 22])])).to.equal(undefined);
    // The third overlaps though the second does not.
    expect(bestOf(HOLD, [mode('a', [10, 10]), mode('b', [20, 20]), mode('c', [9, 40])])).to.equal(undefined);
    expect(bestOf(HOLD, [mode('a', [10]), mode('b', [20])])).to.equal(undefined);
    expect(bestOf(HOLD, [mode('a', [10, 10])])).to.equal(undefined);
    expect(bestOf(BULK, [])).to.equal(undefined);
  });

  describe('its conclusion', () => {
    it('names who is the best at what, by how much, and where no difference is shown', () => {
      const fast = mode('tlshub', [10, 11, 12], [40, 41, 42]);
      const text = conclusionOf([mode('openssl', [30, 31, 32], [20, 21, 22]), fast]);
      expect(text).to.equal(
        'tlshub holds a new connection for the shortest time (11.00 ms, next openssl: 31.00) and makes the most new connections ' +
          '(41.0 a second, next openssl: 21.0). No difference is shown in bulk throughput: there the rounds overlap.',
      );
    });

    it('names several winners', () => {
      const text = conclusionOf([
        mode('openssl', [10, 11], [20, 21], [300, 310]),
        mode('boringssl', [20, 21], [30, 31], [100, 110]),
      ]);
      expect(text).to.equal(
        'openssl holds a new connection for the shortest time (10.50 ms, next boringssl: 20.50), boringssl makes the most new ' +
          'connections (30.5 a second, next openssl: 20.5) and openssl moves the most data (305.0 Mbit/s, next boringssl: 105.0).',
      );
    });

    it('claims nothing where all overlaps, after one round, of one mode, of nothing', () => {
      expect(conclusionOf([mode('a', [10, 12]), mode('b', [11, 13])])).to.match(/^No difference is shown: /);
      expect(conclusionOf([mode('a', [10]), mode('b', [90])])).to.match(/nothing is concluded.*--rounds 3/);
      expect(conclusionOf([mode('a', [10, 12])])).to.match(
        /^a alone: a connection is held for 11\.00 ms .*nothing to compare/,
      );
      expect(conclusionOf([])).to.equal('Nothing was measured.');
    });

    it('warns of other work from a tenth of the machine on, and of connections that failed', () => {
      const modes = [mode('a', [10, 12])];
      expect(warningsOf(modes, undefined)).to.deep.equal([]);
      expect(warningsOf(modes, { percent: 9.9, measured: 'here' })).to.deep.equal([]);
      expect(warningsOf(modes, { percent: 10, measured: 'here' })).to.have.length(1);
      modes[0]!.failed_connections = 3;
      expect(warningsOf(modes, undefined)[0]).to.match(/^Connections failed: 3 of 24 with a\./);
    });
  });

  describe('on a terminal', () => {
    const names = ['tlshub', 'openssl', 'boringssl'];
    const modes = names.map((name, at) =>
      mode(name, [1000 * (at + 1), 1010 * (at + 1), 1100 * (at + 1)], [20, 21, 22]),
    );
    const settings = { rounds: 3, duration: 20, connections: 0, concurrency: 8, dataSize: 1024 };
    const summary: Summary = { generated: '', machine: describeMachine(), settings, modes };
    const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

    it('of 150 columns has medians and ranges, and marks the best', () => {
      const text = comparisonText(summary, 150);
      expect(widest(text)).to.be.at.most(150);
      expect(text).to.match(
        /^hold p50, ms +★ 1010\.00 \(1000\.00–1100\.00\) +2020\.00 \(2000\.00–2200\.00\) +3030\.00 /m,
      );
      expect(text).to.match(/^new connections per second +21\.0 \(20\.0–22\.0\)/m);
    });

    it('of 80 columns has medians and percent', () => {
      const text = comparisonText(summary, 80);
      expect(widest(text)).to.be.at.most(80);
      expect(text).to.match(/^hold p50, ms +★ 1010\.00 ±9% +2020\.00 ±9% +3030\.00 ±9%$/m);
    });

    it('of one round has figures alone', () => {
      const once = { ...summary, modes: [mode('openssl', [10])] };
      expect(comparisonText(once, 80))
        .to.match(/^hold p50, ms +10\.00$/m)
        .and.not.include('±');
    });
  });

  describe('its folder', () => {
    const at = temporaryFolder();
    const DAY = new Date('2026-11-28T06:07:08Z');

    it('is dated and numbered where another run has that date, also one without folders', () => {
      expect(makeRunFolder(at('new'), DAY)).to.equal('20261128_060708');
      expect(makeRunFolder(at('new'), DAY)).to.equal('20261128_060708-2');
      mkdirSync(at('old'));
      writeFileSync(at('old', 'perf_openssl_20261128_060708.csv'), '');
      expect(makeRunFolder(at('old'), DAY)).to.equal('20261128_060708-2');
    });

    it('has links above it, of the last run alone; what is not ours stays', () => {
      const out = at('links');
      const run = (time: Date, modeName: string): string => {
        const name = makeRunFolder(out, time);
        for (const file of ['summary.json', 'report.html', `perf_${modeName}_${name}.json`])
          writeFileSync(`${out}/${name}/${file}`, name);
        linkLatest(out, name);
        return name;
      };
      mkdirSync(out);
      writeFileSync(`${out}/notes.txt`, 'mine');
      writeFileSync(`${out}/summary.json`, 'of a version that had no folders');
      const first = run(DAY, 'openssl');
      expect(readFileSync(`${out}/perf_openssl_${first}.json`, 'utf8')).to.equal(first);
      const second = run(new Date('2026-11-29T00:00:00Z'), 'tlshub');
      expect(readFileSync(`${out}/summary.json`, 'utf8')).to.equal(second);
      expect(readdirSync(out).sort()).to.deep.equal(
        [first, second, 'notes.txt', `perf_tlshub_${second}.json`, 'report.html', 'summary.json'].sort(),
      );
      expect(lstatSync(`${out}/report.html`).isSymbolicLink()).to.equal(true);
      expect(readFileSync(`${out}/${first}/perf_openssl_${first}.json`, 'utf8')).to.equal(first);
    });
  });
});
