// SPDX-License-Identifier: Apache-2.0
/** Workers of the key providers that die or hang, for a minute under a load of new connections. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { lab, waitFor, type MeshNode } from '../harness/index.js';
import { at, makeContent, makeFolder } from '../matrix/files.js';
import * as servers from '../matrix/servers.js';
import { finishLoad, startLoad } from '../harness/load.js';

const NODES: readonly MeshNode[] = ['a', 'b'];
const SECONDS = 60;
/** Far beyond every deadline of the agent: what takes longer hangs. */
const HUNG_SECONDS = 60;

describe('workers that die and workers that hang', () => {
  before(async function () {
    this.timeout(240_000);
    makeFolder();
    makeContent('byte', 1);
    process.env.TLSHUB_TEST_HOOKS = '1';
    await lab.up({ set: { 'b:mode': 'boringssl', 'openssl.pool_size': 2, 'boringssl.pool_size': 2 } });
    delete process.env.TLSHUB_TEST_HOOKS;
    await servers.nginx();
  });
  after(() => lab.down());

  it('cost their own connections at most: each works or is refused, none hangs past its deadline', async function () {
    this.timeout(300_000);
    const sniffer = await lab.sniff();
    const load = startLoad(servers.PORTS.nginx, '/byte', 10, HUNG_SECONDS);
    await waitFor(async () => (await lab.flows('a')).length > 2, 60_000, 'connections');
    const until = performance.now() + SECONDS * 1000;
    let broken = 0;
    while (performance.now() < until) {
      const node = NODES[broken % 2] ?? 'a';
      if (await lab.breakWorker(node, broken % 3 === 2 ? 'hang' : 'end')) broken++;
      await sleep(2500 + Math.random() * 1000);
    }
    const result = await finishLoad(load);
    const capture = await sniffer.stop();
    const explanation = JSON.stringify(result);
    expect(broken).to.be.greaterThan(10);
    expect(result.late, explanation).to.equal(0);
    expect(result.ok, explanation).to.be.greaterThan(10);
    expect(capture.plaintextFrames, capture.describe()).to.equal(0);
    process.stdout.write(`      ${broken} workers broken; ${explanation}\n`);
    // Nobody is left behind, neither a flow nor a program, and the next one works.
    for (const node of NODES) {
      await waitFor(
        async () => {
          const { flows } = await lab.status(node);
          return flows.held + flows.negotiating === 0;
        },
        30_000,
        `no flow of node ${node} under way`,
      );
      await waitFor(
        async () => (await lab.status(node)).providers[0]?.workers === 2,
        60_000,
        `both workers of node ${node} there again`,
      );
    }
    expect((await lab.status('a')).providers[0]?.workersLost).to.be.greaterThan(0);
    const url = `http://10.77.0.2:${servers.PORTS.nginx}/byte`;
    expect((await lab.exec('a', ['curl', '-sSf', '-o', at('out'), url])).code).to.equal(0);
  });
});
