// SPDX-License-Identifier: Apache-2.0
/**
 * What 500 peers that accept and then say nothing cost the others (in the virtual machine or on a capable host, as root).
 *
 * Programs on node a fetch a byte from node b, at a fixed rate, in three phases of the same length: without the silent peers, with them
 * (another program on a connects to all of them and, when refused, again: they fill the provider's places and its queue), and without
 * them once more. Of each phase: the hold of every flow to b, on node a (from the established connection to the open gate), and how long
 * events took from the kernel into the agent's ring. The ratios are those of the middle phase to the two others together.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { delayPercentile, delaysSince, type DelayCounts } from '../src/shared/ipc/delays.js';
import { lab, waitFor } from '../test/vm/harness/index.js';
import { makeContent, makeFolder } from '../test/vm/matrix/files.js';
import * as servers from '../test/vm/matrix/servers.js';
import * as tarpit from '../test/vm/isolation/tarpit.js';
import { finishLoad, startLoad } from '../test/vm/harness/load.js';
import { percentile, tableOf, writeResult } from './support.js';

const RATE = Number(process.env.TLSHUB_BENCH_RATE ?? 4);
const SECONDS = Number(process.env.TLSHUB_BENCH_SECONDS ?? 25);
const PORT = servers.PORTS.nginx;

interface Phase {
  name: string;
  silentPeers: number;
  holdMs: number[];
  failed: number;
  lost: number;
  /** how long events took from the kernel into the agent's ring, in this phase */
  toRing: DelayCounts;
}

async function phase(name: string): Promise<Phase> {
  const silentPeers = await tarpit.occupied('a');
  const { events: before } = await lab.status('a');
  const known = new Set((await lab.flows('a')).map(({ cookie }) => cookie));
  const load = startLoad(PORT, '/byte', RATE, 60);
  await sleep(SECONDS * 1000);
  const { failed, late } = await finishLoad(load);
  const flows = (await lab.flows('a')).filter(({ cookie, dport }) => dport === PORT && !known.has(cookie));
  const { events } = await lab.status('a');
  return {
    name,
    silentPeers,
    holdMs: flows.map(({ holdMs }) => holdMs).filter((ms) => ms !== null),
    failed: late + Object.values(failed).reduce((sum, count) => sum + count, 0),
    lost: events.lost,
    toRing: delaysSince(before.toRing.counts, events.toRing.counts),
  };
}

/** Counts of two times together. */
function delaysSum(one: DelayCounts, other: DelayCounts): DelayCounts {
  const sum = new Map(one);
  for (const [bound, count] of other) sum.set(bound, (sum.get(bound) ?? 0) + count);
  return [...sum].sort(([a], [b]) => (a ?? Infinity) - (b ?? Infinity));
}

async function main(): Promise<void> {
  makeFolder();
  makeContent('byte', 1);
  await lab.up({
    set: {
      pod_node_config: tarpit.writeMapping(),
      'openssl.pool_in_flight': 128,
      handshake_timeout_ms: 60_000,
      hold_timeout_ms: 90_000,
      flows_kept: 100_000,
    },
  });
  tarpit.routeSilentPeers();
  await servers.nginx();
  const silence = await tarpit.serveSilence();
  await phase('warm-up');

  const phases = [await phase('without')];
  const visitors = await tarpit.visitSilentPeers();
  await waitFor(async () => (await tarpit.occupied('a')) >= tarpit.SILENT_PEERS, 60_000, 'a full provider');
  phases.push(await phase('with'));
  await visitors.stop();
  await waitFor(async () => (await tarpit.occupied('a')) === 0, 60_000, 'an empty provider');
  phases.push(await phase('without, again'));
  await silence.stop();
  await lab.down();

  const [before, during, after] = phases.map(({ holdMs }) => holdMs);
  const quietDelays = delaysSum(phases[0]?.toRing ?? [], phases[2]?.toRing ?? []);
  const delayRatio = (p: number): number =>
    delayPercentile(phases[1]?.toRing ?? [], p) / delayPercentile(quietDelays, p);
  const quiet = [...(before ?? []), ...(after ?? [])];
  const ratio = (p: number): number => percentile(during ?? [], p) / percentile(quiet, p);
  process.stdout.write(
    `hold of flows to a good peer, ms, ${RATE} new connections a second\n${tableOf(
      ['silent peers', 'under way', 'flows', 'p50', 'p99', 'failed', 'events lost', 'to ring p50, µs', 'p99, µs'],
      phases.map((each) => [
        each.name,
        String(each.silentPeers),
        String(each.holdMs.length),
        percentile(each.holdMs, 50).toFixed(1),
        percentile(each.holdMs, 99).toFixed(1),
        String(each.failed),
        String(each.lost),
        delayPercentile(each.toRing, 50).toFixed(0),
        delayPercentile(each.toRing, 99).toFixed(0),
      ]),
    )}\nratio of holds: p50 ${ratio(50).toFixed(2)}, p99 ${ratio(99).toFixed(2)}; of event to ring: p50 ${delayRatio(50).toFixed(2)}, p99 ${delayRatio(99).toFixed(2)}\n`,
  );
  writeResult('isolation', {
    rate: RATE,
    ratio50: ratio(50),
    ratio99: ratio(99),
    toRingRatio50: delayRatio(50),
    toRingRatio99: delayRatio(99),
    phases,
  });
}

await main();
