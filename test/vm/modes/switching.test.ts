// SPDX-License-Identifier: Apache-2.0
/** Twenty changes of the key provider under a load of new connections. */
import { expect } from 'chai';
import { lab, waitFor, type MeshNode } from '../harness/index.js';
import { at } from '../matrix/files.js';
import * as servers from '../matrix/servers.js';
import { finishCleanLoad, startLoad, upForLoad } from '../harness/load.js';
import { gained, holdings, noMore, type Holdings } from './support.js';

const SWITCHES = 20;
const NODES: readonly MeshNode[] = ['a', 'b'];
const RATE = 20;
/** Far beyond every deadline of the agent: what takes longer hangs. */
const HUNG_SECONDS = 60;

async function settled(node: MeshNode): Promise<Holdings> {
  await waitFor(
    async () => (await lab.status(node)).providers.every(({ state }) => state !== 'draining'),
    60_000,
    `old pools of node ${node} closed`,
  );
  return holdings(node);
}

describe('switching providers', () => {
  before(async function () {
    this.timeout(240_000);
    await upForLoad();
  });
  after(() => lab.down());

  it(`fails no connection, sends no plaintext and leaves nothing behind, ${SWITCHES} times under load`, async function () {
    this.timeout(600_000);
    // Once through both first: libraries stay loaded.
    for (const mode of ['boringssl', 'openssl']) for (const node of NODES) await lab.mode(node, mode);
    const before = { a: await settled('a'), b: await settled('b') };

    const sniffer = await lab.sniff();
    const load = startLoad(servers.PORTS.nginx, '/byte', RATE, HUNG_SECONDS);
    await waitFor(async () => (await lab.flows('a')).length > 2, 60_000, 'connections');
    for (let i = 0; i < SWITCHES; i++) {
      const node = NODES[i % 2] ?? 'a';
      const mode = Math.floor(i / 2) % 2 === 0 ? 'boringssl' : 'openssl';
      expect((await lab.mode(node, mode)).mode).to.equal(mode);
    }
    const { reports, explanation } = await finishCleanLoad(load, sniffer, SWITCHES);
    for (const report of reports) {
      const [boringssl, openssl] = ['boringssl', 'openssl'].map((name) =>
        report.providers.find((p) => p.name === name),
      );
      expect(boringssl?.succeeded, 'by BoringSSL').to.be.greaterThan(0);
      expect(openssl?.succeeded, 'by OpenSSL').to.be.greaterThan(0);
      expect((boringssl?.failed ?? 0) + (openssl?.failed ?? 0), explanation).to.equal(0);
    }

    let now = { a: await settled('a'), b: await settled('b') };
    await waitFor(
      async () => {
        now = { a: await holdings('a'), b: await holdings('b') };
        return NODES.every((node) => noMore(before[node], now[node]));
      },
      30_000,
      () => `as many descriptors and threads as before: ${NODES.map((node) => gained(before[node], now[node])).join()}`,
    );
    expect(now.a.threads).to.be.greaterThan(0);
  });

  it('keeps the old provider when the new one cannot start, and says why', async () => {
    const { mode } = await lab.status('a');
    const failure = (await lab.ctl('a', 'mode', 'set', 'nonsense').catch((error: unknown) => error)) as Error;
    expect(failure.message).to.contain('no such provider');
    expect((await lab.status('a')).mode).to.equal(mode);
    const url = `http://10.77.0.2:${servers.PORTS.nginx}/byte`;
    expect((await lab.exec('a', ['curl', '-sSf', '-o', at('out'), url])).code).to.equal(0);
  });
});
