// SPDX-License-Identifier: Apache-2.0
/** One provider full of peers that say nothing: the others do not notice. */
import { expect } from 'chai';
import { lab, waitFor, type Program } from '../harness/index.js';
import { at, makeContent, makeFolder } from '../matrix/files.js';
import * as servers from '../matrix/servers.js';
import { finishLoad, startLoad } from '../harness/load.js';
import * as tarpit from './tarpit.js';

const RATE = 5;
const GOOD_FLOWS = 40;
/** Silent clients of the server on b: as many as it takes and still has room. */
const SILENT_CLIENTS = 60;
/** Places for active flows: far fewer than silent peers. */
const PLACES = 128;

describe('a provider full of silent peers', () => {
  let silence: Program;
  let visitors: Program[] = [];

  before(async function () {
    this.timeout(240_000);
    makeFolder();
    makeContent('byte', 1);
    await lab.up({
      set: {
        pod_node_config: tarpit.writeMapping(),
        'openssl.pool_in_flight': PLACES,
        // Silence lasts as long as the test.
        handshake_timeout_ms: 60_000,
        hold_timeout_ms: 90_000,
      },
    });
    tarpit.routeSilentPeers();
    await servers.nginx();
    silence = await tarpit.serveSilence();
  });
  after(() => lab.down());

  it(`secures every flow to a peer that answered before, while ${tarpit.SILENT_PEERS} peers accept and say nothing`, async function () {
    this.timeout(300_000);
    const url = `http://10.77.0.2:${servers.PORTS.nginx}/byte`;
    expect((await lab.exec('a', ['curl', '-sSf', '-o', at('out'), url])).code).to.equal(0);

    const sniffer = await lab.sniff();
    visitors = [await tarpit.visitSilentPeers(), await tarpit.visitBySilentPeers(servers.PORTS.nginx, SILENT_CLIENTS)];
    await waitFor(async () => (await tarpit.occupied('a')) >= tarpit.SILENT_PEERS, 60_000, 'a full provider on node a');
    await waitFor(async () => (await tarpit.occupied('b')) >= SILENT_CLIENTS, 60_000, 'silent clients on node b');
    const before = await lab.status('a');
    expect(before.providers[0]?.queued).to.be.greaterThan(tarpit.SILENT_PEERS - PLACES);

    const load = startLoad(servers.PORTS.nginx, '/byte', RATE, 50);
    await waitFor(
      async () => ((await lab.status('a')).providers[0]?.succeeded ?? 0) > GOOD_FLOWS,
      60_000,
      `${GOOD_FLOWS} secured connections`,
    );
    const result = await finishLoad(load);
    const [a, b] = await Promise.all([lab.status('a'), lab.status('b')]);
    const explanation = JSON.stringify({ result, a: a.failures, b: b.failures });
    expect(result.failed, explanation).to.deep.equal({});
    expect(result.late, explanation).to.equal(0);
    expect(result.ok, explanation).to.be.at.least(GOOD_FLOWS);
    const left = await tarpit.occupied('a');
    expect(left, `the silent peers were there all the time: ${explanation}`).to.be.at.least(tarpit.SILENT_PEERS - 5);
    expect([a.events.lost, b.events.lost]).to.deep.equal([0, 0]);
    process.stdout.write(`      ${result.ok} connections, the slowest ${result.slowest.toFixed(2)} s\n`);

    const capture = await sniffer.stop();
    expect(capture.plaintextFrames, capture.describe()).to.equal(0);
    expect(capture.payloadFrames).to.be.greaterThan(4 * result.ok);
  });

  it('forgets them when their programs end', async function () {
    this.timeout(120_000);
    for (const visitor of visitors) await visitor.stop();
    for (const node of ['a', 'b'] as const) {
      await waitFor(async () => (await tarpit.occupied(node)) === 0, 60_000, `nothing under way on node ${node}`);
      const { flows, providers } = await lab.status(node);
      expect(flows.held + flows.negotiating).to.equal(0);
      expect(providers[0]).to.include({ inFlight: 0, queued: 0 });
    }
    await silence.stop();
  });
});
