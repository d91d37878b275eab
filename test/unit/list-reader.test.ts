// SPDX-License-Identifier: Apache-2.0
/** One reading of the kernel's list for all who ask, in pieces between which the world goes on. */
import { expect } from 'chai';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { registerFlowMetrics } from '../../src/metrics/flow-exposition.js';
import type { FlowMetricsReport } from '../../src/metrics/flow-metrics.js';
import { movedBytes } from '../../src/metrics/moved-bytes.js';
import { PerfReporter } from '../../src/metrics/perf-reporter.js';
import { MetricsRegistry } from '../../src/metrics/registry.js';
import { RunningConnections } from '../../src/metrics/running-connections.js';
import { STRUCTS } from '../../src/shared/kernel/abi.generated.js';
import type { SecuredRecord } from '../../src/shared/kernel/abi.js';
import { readSweepGradually, type SweepKernel } from '../../src/shared/kernel/sweep-records.js';
import { controlHandlers, type ControlParts } from '../../src/supervisor/control-handlers.js';
import { ListReader, type ListVisitor } from '../../src/supervisor/flow/list-reader.js';
import { FlowListing } from '../../src/supervisor/flow/listing.js';
import type { SweepResult } from '../../src/supervisor/flow/sweep.js';
import type { DetailedFlowReport } from '../../src/supervisor/flow/table.js';
import { OWNER, TUPLE, World } from '../fakes/dispatcher-world.js';
import { FakeSweep, sweepBytes, type SweepSeed } from '../fakes/fake-kernel.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { temporaryFolder } from './support/temporary.js';

/** What bpf_seq_read gives out at once. */
const PIECE_BYTES = 32768;
const HOW: SecuredRecord = {
  provider: 'openssl',
  cipher: 'TLS_AES_128_GCM_SHA256',
  tlsVersion: 'TLSv1.3',
  peerNode: 'b',
  askedNs: 12e6,
  startedNs: 13e6,
  negotiationNs: 4e6,
  openedNs: 18e6,
};
const TIMES = { createdNs: 9e6, establishedNs: 10e6 };

function secured(cookie: bigint, traffic = { sent: 10, received: 20 }): SweepSeed {
  return { cookie, tuple: TUPLE, encrypts: 3, owner: OWNER, secured: {}, traffic };
}

/** A world whose list is read like the kernel's: each piece comes in a later turn of the event loop, as libuv tells of it. */
class ListWorld extends World {
  /** readings, and descriptors that are open */
  readings = 0;
  open = 0;
  /** run when a piece has been read and not yet been handed over, by the number of the piece */
  readonly meanwhile = new Map<number, () => unknown>();
  readonly results: (SweepResult | undefined)[] = [];
  /** by default every record is a piece */
  pieceBytes: number | undefined;
  cut = 0;
  readonly list = new ListReader({
    dispatcher: this.dispatcher,
    pieces: () => this.pieces(),
    after: (result) => this.results.push(result),
  });

  flows(): Promise<DetailedFlowReport[]> {
    return this.list.read(new FlowListing(this.dispatcher.table));
  }

  private pieces(): ReturnType<typeof readSweepGradually> {
    const bytes = Array.from(this.sockets, (seed) => sweepBytes([seed]));
    const all = Buffer.concat(bytes);
    const fake = new FakeSweep(all.subarray(0, all.length - this.cut), this.pieceBytes);
    let piece = 0;
    const kernel = {
      openSweep: () => {
        this.readings++;
        this.open++;
        const sweep = fake.openSweep();
        return { fd: 9, read: (into: Uint8Array, from: number) => sweep.read(into, from), close: () => this.open-- };
      },
    };
    return readSweepGradually(kernel, 0, async (sweep, into, from) => {
      const limit = this.pieceBytes ?? bytes[piece]?.length ?? 1;
      const read = sweep.read(into.subarray(0, from + limit), from);
      await new Promise((resolve) => setImmediate(resolve));
      await this.meanwhile.get(piece++)?.();
      return read;
    });
  }
}

/** The list as a file, so that the thread that reads it is a real one. */
function fileAsSweep(file: string): SweepKernel {
  return {
    openSweep: () => {
      const fd = openSync(file, 'r');
      return { fd, read: () => expect.fail('read by the thread that asks'), close: () => closeSync(fd) };
    },
  };
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("the kernel's list of flows", () => {
  const path = temporaryFolder();
  let world: ListWorld;
  beforeEach(() => (world = new ListWorld()));
  afterEach(() => {
    world.dispatcher.close();
    expect(world.open, 'descriptors').to.equal(0);
  });

  const states = (flows: DetailedFlowReport[]): string[] => flows.map(({ cookie, state }) => `${cookie} ${state}`);

  async function secure(cookie: bigint): Promise<void> {
    world.event('ESTABLISHED', { cookie });
    await world.succeed(world.provider.pending.pop()!);
  }

  /** So many newer ones that the table lets every older one go. */
  async function unloadAll(from = 1000n): Promise<void> {
    for (let cookie = from; cookie < from + 64n; cookie++) await secure(cookie);
  }

  describe('is read once', () => {
    function parts(): ControlParts {
      const metrics = new MetricsRegistry();
      const { dispatcher, list } = world;
      registerFlowMetrics(metrics, world.metrics, movedBytes(list, world.metrics, dispatcher.table));
      return { dispatcher, list, metrics } as unknown as ControlParts;
    }

    it('for four /metrics within a second, one after another and at the same time', async () => {
      world.sockets = [secured(1n), secured(2n)];
      const { metrics } = parts();
      const [text] = await Promise.all([metrics.text(), metrics.text()]);
      expect(text).to.contain('tlshub_flow_received_bytes_total 40\n');
      expect(await metrics.text()).to.equal(text);
      expect(await metrics.text()).to.equal(text);
      expect(world.readings).to.equal(1);
    });

    it('for the metrics over the control socket, in both of their forms', async () => {
      await controlHandlers(parts()).metrics!({});
      expect(world.readings).to.equal(1);
    });

    it('for `tlshubctl flows`, which is also up to date by it', async () => {
      await secure(1n);
      world.sockets = [{ ...secured(1n), secured: {} }, secured(2n), { cookie: 3n, tuple: TUPLE, owner: OWNER }];
      const flows = await controlHandlers(parts()).flows!({});
      expect(flows.map(({ cookie, state, bytesSent }) => [cookie, state, bytesSent])).to.deep.equal([
        ['2', 'secured', 10],
        ['1', 'secured', 10],
        ['3', 'negotiating', null],
      ]);
      expect(world.readings).to.equal(1);
    });

    it('for a metrics report', async () => {
      world.sockets = [secured(1n), secured(2n)];
      const flows = (): Promise<FlowMetricsReport> =>
        world.list.read(new RunningConnections(world.metrics, world.dispatcher.table));
      const report = await new PerfReporter({ dir: path, node: 'a', flows, log: memoryLogger().log }).report();
      expect(report?.summary).to.include({ secured_connections: 2, total_bytes_sent: 20, active_connections: 2 });
      expect(world.readings).to.equal(1);
    });

    it('for all who ask at once, and once more for all who ask meanwhile', async () => {
      world.sockets = [secured(1n)];
      let late: Promise<unknown[]> | undefined;
      world.meanwhile.set(0, () => {
        world.meanwhile.clear();
        world.sockets.push(secured(2n));
        late = Promise.all([world.list.sweep(), world.flows(), world.flows()]);
      });
      const [, flows] = await Promise.all([world.list.sweep(), world.flows()]);
      expect(states(flows)).to.deep.equal(['1 secured']);
      const [, later, same] = (await late) as [unknown, DetailedFlowReport[], DetailedFlowReport[]];
      expect(states(later)).to.deep.equal(['1 secured', '2 secured']);
      expect(same).to.deep.equal(later);
      expect(world.readings).to.equal(2);
    });
  });

  it('of 50,000 records keeps no turn of the event loop for more than a piece of it', async function () {
    this.timeout(60_000);
    world.pieceBytes = PIECE_BYTES;
    const seeds: SweepSeed[] = [];
    for (let cookie = 1n; cookie <= 50_000n; cookie++) seeds.push(secured(cookie));
    world.sockets = seeds;
    let inTurn = 0;
    let most = 0;
    let turn = setImmediate(function next() {
      inTurn = 0;
      turn = setImmediate(next);
    });
    const visitor: ListVisitor<void> = {
      found: () => (most = Math.max(most, ++inTurn)),
      lost: () => undefined,
      done: () => undefined,
    };
    await Promise.all([world.list.read(visitor), world.flows()]);
    clearImmediate(turn);
    expect(world.dispatcher.byState().secured).to.equal(50_000);
    expect(most).to.be.within(1, Math.ceil(PIECE_BYTES / STRUCTS.tlshub_sweep.bytes) + 1);
    expect(world.readings).to.equal(1);
  });

  describe('between two pieces of it', () => {
    it('a flow is secured and unloaded whose record has gone by: it is there once', async () => {
      world.event('ESTABLISHED', { cookie: 1n });
      world.sockets = [{ cookie: 1n, tuple: TUPLE, owner: OWNER }, secured(2n)];
      world.meanwhile.set(1, async () => {
        await world.succeed(world.provider.pending.pop()!);
        await unloadAll();
      });
      const flows = await world.flows();
      expect(world.dispatcher.table.get(1n)).to.equal(undefined);
      expect(flows.filter(({ cookie }) => cookie === '1').map(({ state }) => state)).to.deep.equal(['secured']);
      expect(world.dispatcher.byState()).to.include({ secured: 2 + 64, held: 0, negotiating: 0 });
      expect(world.results).to.deep.equal([{ records: 2, found: 0, gone: 0, adopted: 1 }]);
    });

    it('a flow is secured and unloaded whose record is older than that: nobody takes it for a new one', async () => {
      world.event('ESTABLISHED', { cookie: 1n });
      world.sockets = [secured(2n), { cookie: 1n, tuple: TUPLE, agentTx: 500 }];
      world.meanwhile.set(1, async () => {
        await world.succeed(world.provider.pending.pop()!);
        await unloadAll();
      });
      const flows = await world.flows();
      expect(world.dispatcher.table.get(1n)).to.equal(undefined);
      expect(flows.filter(({ cookie }) => cookie === '1').map(({ state }) => state)).to.deep.equal(['secured']);
      expect(world.dispatcher.byState()).to.include({ secured: 2 + 64, held: 0 });
      world.event('CLOSED', { ...TIMES, cookie: 1n, secured: HOW });
      expect(world.dispatcher.table.get(1n)?.secured).to.equal(true);
      expect(world.dispatcher.byState()).to.include({ secured: 1 + 64, closed: 1 });
    });

    it('an unloaded flow ends that was counted: its bytes count once, and it is there once', async () => {
      world.sockets = [secured(1n, { sent: 100, received: 200 }), secured(2n)];
      const traffic = { sent: 150, received: 200, final: true };
      world.meanwhile.set(1, () => world.event('CLOSED', { ...TIMES, cookie: 1n, traffic, secured: HOW }));
      const moved = movedBytes(world.list, world.metrics, world.dispatcher.table);
      const report = world.list.read(new RunningConnections(world.metrics, world.dispatcher.table));
      const [bytes, flows, { totals, active }] = await Promise.all([moved(), world.flows(), report]);
      expect(bytes).to.deep.equal({ sent: 160, received: 220 });
      expect(states(flows)).to.deep.equal(['2 secured', '1 closed']);
      expect([active, totals.bytesSent]).to.deep.equal([1, 160]);
      expect(world.dispatcher.byState()).to.include({ secured: 1, closed: 1 });
      expect(world.dispatcher.counters.values.adopted).to.equal(2);
    });

    it('a flow ends whose record is older than that: it does not come to life again, though the table has let it go', async () => {
      world.dispatcher.close();
      world = new ListWorld({ flowsKept: 0 });
      await secure(1n);
      world.event('ESTABLISHED', { cookie: 3n });
      world.sockets = [secured(2n), secured(1n), { cookie: 3n, tuple: TUPLE, owner: OWNER }];
      world.meanwhile.set(1, async () => {
        world.event('CLOSED', { cookie: 1n });
        world.event('CLOSED', { cookie: 3n });
        await world.fail(world.provider.pending.pop()!, 'TLSHUB_HANDSHAKE_CANCELLED');
      });
      expect(states(await world.flows())).to.deep.equal(['2 secured']);
      expect(world.dispatcher.byState()).to.include({ secured: 1, held: 0, negotiating: 0 });
      expect(world.results[0]).to.include({ found: 0, gone: 0 });
    });

    it('a new flow comes that the list has not: it is not missed', async () => {
      world.sockets = [secured(1n), secured(2n)];
      for (const cookie of [7n, 8n, 9n]) {
        world.meanwhile.set(1, () => world.event('ESTABLISHED', { cookie }));
        const flows = await world.flows();
        expect(states(flows)).to.include(`${cookie} negotiating`);
      }
      expect(world.results.map((result) => result?.gone)).to.deep.equal([0, 0, 0]);
    });

    it('a socket connects anew whose unloaded flow was counted: only the new one is there', async () => {
      world.sockets = [secured(1n), secured(2n)];
      world.meanwhile.set(1, () => world.event('ESTABLISHED', { cookie: 1n, generation: 2 }));
      expect(states(await world.flows())).to.deep.equal(['2 secured', '1 negotiating']);
      expect(world.dispatcher.byState()).to.include({ secured: 1, negotiating: 1 });
    });

    it('an event tells more of what was moved than its record: that stays', async () => {
      await secure(1n);
      world.sockets = [secured(2n), secured(1n)];
      const traffic = { sent: 100, received: 200, final: false };
      world.meanwhile.set(1, () => world.event('RELEASED', { cookie: 1n, traffic }));
      const flows = await world.flows();
      expect(flows.find(({ cookie }) => cookie === '1')).to.include({ bytesSent: 100, bytesReceived: 200 });
    });
  });

  it('may skip a flow where it comes in pieces: the third in a row without it says that it is gone', async () => {
    await secure(1n);
    const flow = world.dispatcher.table.get(1n)!;
    Object.assign(flow, { seenNs: 1 });
    world.sockets = [secured(2n), secured(3n)];
    await world.list.sweep();
    await world.list.sweep();
    expect(flow.machine.phase).to.equal('secured');
    await world.list.sweep();
    expect(flow.machine.phase).to.equal('done');
    expect(world.results.map((result) => result?.gone)).to.deep.equal([0, 0, 1]);
  });

  it('that breaks off says so to all who asked, and nothing is concluded from what is missing', async () => {
    await secure(1n);
    const flow = world.dispatcher.table.get(1n)!;
    Object.assign(flow, { seenNs: 1 });
    world.sockets = [secured(2n), secured(3n)];
    world.cut = 10;
    const asked = [world.flows(), world.list.sweep(), world.flows()];
    for (const answer of asked) expect(await failure(answer)).to.be.instanceOf(RangeError);
    expect(world.results).to.deep.equal([undefined]);
    expect(flow.missed).to.equal(0);
    world.cut = 0;
    expect(states(await world.flows())).to.deep.equal(['2 secured', '3 secured', '1 secured']);
  });

  it('is not read on when the agent stops', async () => {
    world.sockets = [secured(1n), { cookie: 2n, tuple: TUPLE, owner: OWNER }];
    let stopped: Promise<void> | undefined;
    // Not waited for here: it ends when the reading has.
    world.meanwhile.set(1, () => void (stopped = world.list.stop()));
    expect(await failure(world.flows()))
      .to.be.instanceOf(Error)
      .with.property('message')
      .match(/shutting down/);
    await stopped;
    expect(world.dispatcher.table.size).to.equal(0);
    await failure(world.list.sweep());
    expect(world.readings).to.equal(1);
  });

  it('is read by a thread, to the end', async () => {
    const seeds = Array.from({ length: 300 }, (_, i) => secured(BigInt(i)));
    writeFileSync(path('list'), sweepBytes(seeds));
    const kernel = fileAsSweep(path('list'));
    const cookies: bigint[] = [];
    let pieces = 0;
    for await (const records of readSweepGradually(kernel, 0)) {
      pieces++;
      for (const record of records) cookies.push(record.cookie);
    }
    expect(cookies).to.deep.equal(seeds.map(({ cookie }) => cookie));
    expect(pieces).to.be.greaterThan(1);
  });

  it('that the kernel does not give out is an error with its code', async () => {
    const kernel = fileAsSweep(path('.'));
    const error = await failure(readSweepGradually(kernel, 0).next());
    expect(error).to.include({ code: 'TLSHUB_SYS', errno: 'EISDIR' });
  });
});
