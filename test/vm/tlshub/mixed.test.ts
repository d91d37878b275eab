// SPDX-License-Identifier: Apache-2.0
/** One side on TLSHub, the other in-band: no connection, no byte in plaintext, and both sides say what is wrong before their deadline. */
import { expect } from 'chai';
import { detailedFlows } from '../harness/mutual-tls.js';
import { lab, waitFor, type MeshNode } from '../harness/index.js';
import { TALKER } from '../death/support.js';
import type { DetailedFlowReport } from '../../../src/supervisor/flow/table.js';

const TIMEOUT_MS = 5000;
const ADDRESS = { a: '10.77.0.1', b: '10.77.0.2' } as const;

interface Ends {
  client: DetailedFlowReport;
  server: DetailedFlowReport;
}

/** Node a on TLSHub, node b in-band; `attempt` connects, and shows what became of it on both sides. */
function differentModes(
  title: string,
  marker: boolean,
  tests: (attempt: (client: MeshNode) => Promise<Ends>) => void,
): void {
  describe(title, () => {
    let port = 7400;
    before(async () => {
      const timeouts = { handshake_timeout_ms: TIMEOUT_MS, silent_peer_timeout_ms: TIMEOUT_MS };
      await lab.up({ mode: 'openssl', set: { 'a:mode': 'tlshub', marker, ...timeouts } });
    });
    after(() => lab.down());

    const last = (node: MeshNode, at: number): Promise<DetailedFlowReport> =>
      waitFor(
        async () => {
          const flow = (await detailedFlows(node)).filter(({ dport }) => dport === at).at(-1);
          return flow !== undefined && flow.state !== 'held' && flow.state !== 'negotiating' ? flow : false;
        },
        30_000,
        `a decided flow on node ${node}`,
      );

    tests(async (client) => {
      const server = client === 'a' ? 'b' : 'a';
      const secret = `secret-of-${client}`;
      const at = port++;
      const listener = lab.spawn(server, [TALKER, 'echo', String(at)]);
      await listener.listening(at);
      const sniffer = await lab.sniff();
      await lab.exec(client, [TALKER, 'blocking', ADDRESS[server], String(at), secret]);
      const ends = { client: await last(client, at), server: await last(server, at) };
      await listener.stop();
      const capture = await sniffer.stop();
      expect(capture.port(at).length).to.be.greaterThan(0);
      expect(capture.plaintextFrames, capture.describe()).to.equal(0);
      expect(capture.contains(secret)).to.equal(false);
      expect(listener.stdout).to.not.include('read');
      return ends;
    });
  });
}

differentModes('nodes in different modes, one of them TLSHub', true, (attempt) => {
  for (const client of ['a', 'b'] as const) {
    it(`both refuse at once and name both modes, ${client === 'a' ? 'TLSHub' : 'the in-band node'} connects`, async () => {
      const ends = await attempt(client);
      const [tlshub, inBand] = client === 'a' ? [ends.client, ends.server] : [ends.server, ends.client];
      for (const flow of [tlshub, inBand]) {
        expect(flow).to.include({ state: 'refused', code: 'TLSHUB_GATE_REFUSED', secured: false, provider: null });
      }
      expect(tlshub.reason).to.include('it wants in-band TLS, this node is in mode tlshub');
      expect(inBand.reason).to.include('it wants keys by TLSHub, this node is in mode openssl');
    });
  }
});

differentModes('nodes in different modes, without the marker', false, (attempt) => {
  it('in-band client, TLSHub server: the server sees the ClientHello and refuses at once', async () => {
    const { client, server } = await attempt('b');
    expect(server).to.include({ state: 'refused', code: 'TLSHUB_PEER_PROTOCOL', secured: false, provider: 'tlshub' });
    expect(server.reason).to.include('another mode than tlshub');
    expect(client).to.include({ state: 'refused', secured: false, provider: 'openssl' });
  });

  it('TLSHub client, in-band server: the server sees data instead of a ClientHello and refuses', async () => {
    const { server } = await attempt('a');
    expect(server).to.include({ state: 'refused', secured: false, provider: 'openssl' });
    expect(server.code, server.reason).to.be.oneOf(['TLSHUB_PEER_PROTOCOL', 'TLSHUB_HANDSHAKE_FAILED']);
  });
});
