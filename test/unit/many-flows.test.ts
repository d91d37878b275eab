/** Two hundred thousand short connections through the dispatcher: totals exact, memory flat, files bounded. */
import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { FlowClass } from '../../src/shared/kernel/abi.js';
import { FlowMetrics } from '../../src/metrics/flow-metrics.js';
import { PerfReporter } from '../../src/metrics/perf-reporter.js';
import type { PerfReport } from '../../src/metrics/perf-report.js';
import { World } from '../fakes/dispatcher-world.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { heapUsed } from './support/heap.js';

const FLOWS = 200_000;
const SETTLED = 20_000;
const KEPT = 1000;
/** What a heap differs by from one collection to the next, and far less than a record of 64 bytes for each of 180,000 connections. */
const NOISE_BYTES = 4e6;

describe('many flows', function () {
  this.timeout(120_000);
  const dir = mkdtempSync(`${tmpdir()}/tlshub-test-`);
  after(() => rmSync(dir, { recursive: true, force: true }));

  it('leave exact totals, a bounded file and no memory behind', async () => {
    const metrics = new FlowMetrics(KEPT);
    const world = new World({ flowsKept: KEPT, metrics });
    let settled = 0;
    let sent = 0;
    let received = 0;
    for (let n = 1; n <= FLOWS; n++) {
      const cookie = BigInt(n);
      const role = n % 3 === 0 ? 'passive' : 'active';
      // Every tenth goes in plaintext, every seventh is refused, every fifth is read on after its end.
      if (n % 10 === 0) {
        world.event('ESTABLISHED', { cookie, class: FlowClass.PLAINTEXT });
      } else {
        world.event(role === 'passive' ? 'ACCEPTED' : 'ESTABLISHED', { cookie, role });
        const pending = world.provider.pending.pop()!;
        if (n % 7 === 0) await world.fail(pending, 'TLSHUB_PEER_CERTIFICATE');
        else await world.succeed(pending);
      }
      const open = n % 10 === 0 || n % 7 !== 0;
      const traffic = { sent: open ? n : 0, received: open ? 2 * n : 0, final: n % 5 !== 0 };
      sent += traffic.sent;
      received += traffic.received;
      world.event('CLOSED', { cookie, role, class: n % 10 === 0 ? FlowClass.PLAINTEXT : FlowClass.MESH, traffic });
      if (n % 5 === 0 && open) {
        received += 3;
        world.event('RELEASED', { cookie, traffic: { ...traffic, received: traffic.received + 3, final: true } });
      }
      // The fakes remember what they were asked to do.
      world.kernel.calls.length = 0;
      world.kernel.installs.length = 0;
      world.lines.length = 0;
      if (n === SETTLED) settled = heapUsed();
    }
    expect(heapUsed() - settled, 'heap growth in bytes').to.be.lessThan(NOISE_BYTES);
    world.expectClean();

    const { log } = memoryLogger();
    const flows = (): ReturnType<FlowMetrics['report']> => world.report();
    const files = await new PerfReporter({ dir: () => dir, node: 'a', flows, log }).write();
    const { summary, ...report } = JSON.parse(readFileSync(files!.json, 'utf8')) as PerfReport;
    const tenths = FLOWS / 10;
    const refused = Math.floor(FLOWS / 7) - Math.floor(FLOWS / 70);
    expect(summary).to.include({
      total_connections: FLOWS,
      successful_connections: FLOWS - refused,
      secured_connections: FLOWS - refused - tenths,
      plaintext_connections: tenths,
      failed_connections: refused,
      active_connections: 0,
      total_bytes_sent: sent,
      total_bytes_received: received,
      total_bytes_transferred: sent + received,
      connections_of_unknown_bytes: 0,
    });
    expect(report.latency_ms.hold.count).to.equal(FLOWS - refused - tenths);
    expect(report.latency_ms.syn_to_established.count).to.equal(FLOWS - refused);
    expect(report).to.include({ connections_total: FLOWS, connections_kept: KEPT, connections_limit: KEPT });
    expect(report.connections.map(({ connection_id: id }) => id)).to.deep.equal(
      Array.from({ length: KEPT }, (_, i) => String(FLOWS - KEPT + 1 + i)),
    );
    expect(statSync(files!.json).size).to.be.lessThan(KEPT * 600);
    expect(readFileSync(files!.csv, 'utf8').trimEnd().split('\n')).to.have.length(KEPT + 1);
    world.dispatcher.close();
  });
});
