// SPDX-License-Identifier: Apache-2.0
/** The machine's time of day is set while connections are negotiated and metrics written: every figure stays right, and every file whole. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import type { PerfReport } from '../../../src/metrics/perf-report.js';
import { lab, waitFor, type MeshNode } from '../harness/index.js';
import { exchange, expectFlows } from './support.js';

const NODES: readonly MeshNode[] = ['a', 'b'];
const HOUR_S = 3600;
const CONNECTIONS = 12;
const REPORTS = 6;

/** The true time of day, whatever the machine's clock says by now. */
const epochMs = Date.now() - performance.now();
const trueSeconds = (): number => (epochMs + performance.now()) / 1000;

function setClock(seconds: number): void {
  execFileSync('date', ['-s', `@${seconds.toFixed(3)}`], { stdio: 'ignore' });
}

function reports(node: MeshNode): PerfReport[] {
  const folder = join(dirname(lab.config(node)), 'metrics');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as PerfReport);
}

describe('a clock that is set', function () {
  // Mocha subtracts times of day.
  this.timeout(0);

  before(() => lab.up());
  after(async () => {
    setClock(trueSeconds());
    await lab.down();
  });

  it('changes no time of a connection', async () => {
    const begun = performance.now();
    let steps = 0;
    // An hour ahead and back: never before the certificates' begin.
    const timer = setInterval(() => setClock(trueSeconds() + (steps++ % 2 === 0 ? HOUR_S : 0)), 150);
    const specs = Array.from({ length: CONNECTIONS }, () => '1000:1000:sized');
    const { client, server } = await exchange('a', 'b', 9000, specs).finally(() => clearInterval(timer));
    const tookMs = performance.now() - begun;
    expect(steps, 'times that the clock was set').to.be.greaterThan(4);
    for (const flow of [...(await expectFlows('a', client)), ...(await expectFlows('b', server))]) {
      const { synMs, holdMs, dispatchMs, queueMs, negotiationMs, installMs } = flow;
      const parts = [synMs, dispatchMs, queueMs, negotiationMs, installMs].map(Number);
      expect(Math.min(...parts), JSON.stringify(flow)).to.be.at.least(0);
      expect(parts.slice(1).reduce((sum, part) => sum + part)).to.be.closeTo(Number(holdMs), 0.001);
      expect(Number(synMs) + Number(holdMs)).to.be.lessThan(tookMs);
    }
    for (const node of NODES) expect((await lab.status(node)).flows.refused, node).to.equal(0);
  });

  it('loses no metrics file, though one second comes again and again', async () => {
    const again = Math.floor(trueSeconds());
    for (let n = 1; n <= REPORTS; n++) {
      setClock(again);
      lab.signal('a', 'SIGUSR2');
      await waitFor(() => reports('a').length === n, 20_000, `report ${n}`);
    }
    const written = reports('a');
    const stamps = new Set(written.map(({ timestamp }) => timestamp));
    expect(stamps.size, 'different times').to.be.lessThan(REPORTS);
    for (const { timestamp, summary, connections } of written) {
      expect(timestamp)
        .to.be.at.least(again)
        .and.lessThan(again + 60);
      expect(summary).to.include({ total_connections: CONNECTIONS, failed_connections: 0 });
      expect(connections).to.have.length(CONNECTIONS);
      expect(summary.cpu_usage_percent).to.be.greaterThan(0).and.lessThan(1000);
      for (const { throughput_mbps: throughput, open_ms: open } of connections) {
        expect(throughput).to.be.greaterThan(0);
        expect(open).to.be.at.least(0).and.lessThan(600_000);
      }
    }
  });
});
