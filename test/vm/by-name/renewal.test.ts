// SPDX-License-Identifier: Apache-2.0
/**
 * Epochs that follow each other under load, from both nodes at once, while certificates are renewed and an agent is killed: which epoch a connection
 * falls into, or between which two, is nobody's affair. `TLSHUB_RENEWAL_SECONDS` makes it shorter or longer.
 */
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { issueNode } from '../../../src/tls/lab-ca/pki.js';
import { channelLab } from '../harness/channel.js';
import { lab, waitFor, type Capture, type Program, type Sniffer } from '../harness/index.js';
import { finishLoad, startLoad, type LoadResult } from '../harness/load.js';
import { makeContent, makeFolder } from '../matrix/files.js';
import * as servers from '../matrix/servers.js';
import { NodeConfig } from '../reload/support.js';

const NODES = ['a', 'b'] as const;
const EPOCH_MS = 2000;
/** connections a second, of both nodes together */
const RATE = 20;
const SECONDS = Number(process.env.TLSHUB_RENEWAL_SECONDS ?? 300);
/** after which a connection is not slow but hung */
const HUNG_SECONDS = 60;

describe('epochs of 2 s, 20 connections a second', () => {
  let loads: Program[] = [];
  let sniffer: Sniffer | undefined;

  before(async function () {
    this.timeout(240_000);
    makeFolder();
    makeContent('byte', 1);
    await channelLab({
      set: {
        channel_epoch_ms: EPOCH_MS,
        ...{ handshake_timeout_ms: 30_000, hold_timeout_ms: 40_000, silent_peer_timeout_ms: 40_000 },
      },
    });
    for (const node of NODES) await servers.nginx(node);
  });
  after(() => lab.down());

  async function begin(): Promise<void> {
    sniffer = await lab.sniff('/tmp/renewal.pcap');
    loads = NODES.map((node) =>
      startLoad(servers.PORTS.nginx, '/byte', RATE / 2, HUNG_SECONDS, { from: node, steady: true }),
    );
  }

  async function finish(): Promise<{ results: LoadResult[]; capture: Capture }> {
    const results = await Promise.all(loads.map(finishLoad));
    const capture = await sniffer!.stop();
    expect(capture.plaintextFrames, capture.describe()).to.equal(0);
    for (const { late } of results) expect(late, JSON.stringify(results)).to.equal(0);
    return { results, capture };
  }

  const renewals = async (): Promise<number[]> =>
    Promise.all(NODES.map(async (node) => (await lab.status(node)).channels.opened.opened));
  const byName = async (): Promise<number[]> =>
    Promise.all(NODES.map(async (node) => (await lab.status(node)).exchanges.channel));

  it(`for ${SECONDS} s, with certificates renewed meanwhile: none fails`, async function () {
    this.timeout(300_000 + 3000 * SECONDS);
    const [epochs, named] = [await renewals(), await byName()];
    await begin();
    const end = Date.now() + SECONDS * 1000;
    for (const node of NODES) {
      await sleep((SECONDS * 1000) / 4);
      const config = NodeConfig.of(node);
      const pki = dirname(config.get('tls.ca'));
      await issueNode(pki, node, { days: 10, force: true });
      const { changes } = await lab.reload(node);
      expect(changes.join()).to.contain(`tls.cert: now ${node}`);
    }
    await sleep(Math.max(0, end - Date.now()));
    const { results } = await finish();
    const explanation = JSON.stringify({
      results,
      failures: (await Promise.all(NODES.map((node) => lab.status(node)))).map(({ failures }) => failures),
    });
    for (const { failed, ok } of results) {
      expect(failed, explanation).to.deep.equal({});
      expect(ok).to.be.greaterThan(SECONDS);
    }
    const opened = (await renewals()).map((count, at) => count - epochs[at]!);
    const secured = (await byName()).map((count, at) => count - named[at]!);
    for (const count of opened) expect(count, 'epochs').to.be.greaterThan(SECONDS / 8);
    for (const count of secured) expect(count, 'connections by name').to.be.greaterThan(SECONDS);
    process.stdout.write(
      `      ${results.map(({ ok, slowest }) => `${ok} connections, the slowest ${slowest.toFixed(2)} s`).join('; ')}; epochs opened ${opened.join(' and ')}; ends by name ${secured.join(' and ')}\n`,
    );
  });

  it('with an agent killed and begun anew: what fails does so meanwhile, nothing is in plaintext, and then it is by name again', async function () {
    this.timeout(300_000);
    await begin();
    await sleep(3000);
    await lab.kill('b');
    await lab.restart('b');
    // Whoever came while there was no agent has been told by now.
    await sleep(5000);
    await finish();

    await begin();
    const before = await byName();
    await waitFor(async () => (await byName()).every((count, at) => count > before[at]! + 20), 120_000, 'keys by name');
    const { results } = await finish();
    for (const { failed } of results) expect(failed, JSON.stringify(results)).to.deep.equal({});
  });
});
