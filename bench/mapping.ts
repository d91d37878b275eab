// SPDX-License-Identifier: Apache-2.0
/**
 * What a large Pod-Node mapping costs (in the virtual machine or on a capable host, as root): 100,000 pods, read, and put into the gate by
 * reloads of a running agent. Each reload is timed from asking to the agent's answer; the mapping is in force in the gate then. Meanwhile a
 * program on node a fetches from node b over and over: no connection of it may fail, since no pod is unknown for a moment.
 */
import { writeFileSync } from 'node:fs';
import { PodNodeMapping } from '../src/mapping/pod-node-mapping.js';
import { lab } from '../test/vm/harness/index.js';
import { makeContent, makeFolder } from '../test/vm/matrix/files.js';
import * as servers from '../test/vm/matrix/servers.js';
import { finishLoad, startLoad } from '../test/vm/harness/load.js';
import { median, tableOf, writeResult } from './support.js';

const PODS = Number(process.env.TLSHUB_BENCH_PODS ?? 100_000);
const ROUNDS = Number(process.env.TLSHUB_BENCH_ROUNDS ?? 3);
const MOVED = 1000;
const FILE = '/tmp/bench-mapping.conf';
const LAB = 'pod-a a 10.77.0.1 fd77::1\npod-b b 10.77.0.2 fd77::2\n';

/** The lab's pods and `count` others, each with an address of both families; the first `moved` of them on another node. */
function text(count: number, moved = 0): string {
  const lines = Array.from({ length: count }, (_, at) => {
    const low = `${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}`;
    return `ns/pod-${at} node-${(at % 500) + (at < moved ? 1000 : 0)} 100.${low} fd00::${(at >> 16).toString(16)}:${(at & 0xffff).toString(16)}\n`;
  });
  return LAB + lines.join('');
}

const times = new Map<string, number[]>();
async function timed(what: string, run: () => unknown): Promise<void> {
  const begun = performance.now();
  await run();
  times.set(what, [...(times.get(what) ?? []), performance.now() - begun]);
}

async function reload(what: string, mapping: string): Promise<void> {
  writeFileSync(FILE, mapping);
  await timed(what, () => lab.reload('a'));
}

const [none, all, changed] = [LAB, text(PODS), text(PODS, MOVED)];
writeFileSync(FILE, none);
makeFolder();
makeContent('byte', 1);
await lab.up({ set: { pod_node_config: FILE } });
await servers.nginx();
const load = startLoad(servers.PORTS.nginx, '/byte', 2, 60);
for (let round = 0; round < ROUNDS; round++) {
  await timed(`${PODS} pods read`, () => PodNodeMapping.parse(all));
  await reload(`reload: ${PODS} pods come`, all);
  await reload('reload: nothing changes', all);
  await reload(`reload: ${MOVED} of them move to another node`, changed);
  await reload('reload: they go', none);
}
const result = await finishLoad(load);
await lab.down();

const results = [...times].map(([what, ms]) => ({ what, ms: median(ms) }));
process.stdout.write(
  `a mapping of ${PODS} pods, two addresses each; medians of ${ROUNDS} rounds\n${tableOf(
    ['what', 'ms'],
    results.map(({ what, ms }) => [what, ms.toFixed(0)]),
  )}\nconnections meanwhile: ${result.ok} worked, ${JSON.stringify(result.failed)} failed, ${result.late} late, the slowest ${result.slowest.toFixed(2)} s\n`,
);
writeResult('mapping', { pods: PODS, rounds: ROUNDS, results, connections: result });
