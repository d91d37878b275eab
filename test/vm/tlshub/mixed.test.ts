/** One side on TLSHub, the other in-band: no connection, no byte in plaintext, and both sides say what is wrong before their deadline. */
import { expect } from 'chai';
import { detailedFlows } from '../harness/mutual-tls.js';
import { lab, waitFor, type MeshNode } from '../harness/index.js';
import { TALKER } from '../death/support.js';
import type { DetailedFlowReport } from '../../../src/supervisor/flow-table.js';

const TIMEOUT_MS = 5000;
const ADDRESS = { a: '10.77.0.1', b: '10.77.0.2' } as const;

describe('nodes in different modes, one of them TLSHub', () => {
  before(async () => {
    await lab.up({
      mode: 'openssl',
      set: { 'a:mode': 'tlshub', handshake_timeout_ms: TIMEOUT_MS, silent_peer_timeout_ms: TIMEOUT_MS },
    });
  });
  after(() => lab.down());

  const last = (node: MeshNode, port: number): Promise<DetailedFlowReport> =>
    waitFor(
      async () => {
        const flow = (await detailedFlows(node)).filter(({ dport }) => dport === port).at(-1);
        return flow !== undefined && flow.state !== 'held' && flow.state !== 'negotiating' ? flow : false;
      },
      30_000,
      `a decided flow on node ${node}`,
    );

  const attempt = async (client: MeshNode, port: number): Promise<[DetailedFlowReport, DetailedFlowReport]> => {
    const server = client === 'a' ? 'b' : 'a';
    const marker = `secret-of-${client}`;
    const listener = lab.spawn(server, [TALKER, 'echo', String(port)]);
    await listener.listening(port);
    const sniffer = await lab.sniff();
    await lab.exec(client, [TALKER, 'blocking', ADDRESS[server], String(port), marker]);
    const flows = await Promise.all([last(client, port), last(server, port)]);
    await listener.stop();
    const capture = await sniffer.stop();
    expect(capture.port(port).length).to.be.greaterThan(0);
    expect(capture.plaintextFrames, capture.describe()).to.equal(0);
    expect(capture.contains(marker)).to.equal(false);
    expect(listener.stdout).to.not.include('read');
    return flows;
  };

  it('in-band client, TLSHub server: the server sees the ClientHello and refuses at once', async () => {
    const [client, server] = await attempt('b', 7400);
    expect(server).to.include({ state: 'refused', code: 'TLSHUB_PEER_PROTOCOL', secured: false, provider: 'tlshub' });
    expect(server.reason).to.include('another mode than tlshub');
    expect(client).to.include({ state: 'refused', secured: false, provider: 'openssl' });
  });

  it('TLSHub client, in-band server: the server sees data instead of a ClientHello and refuses', async () => {
    const [, server] = await attempt('a', 7401);
    expect(server).to.include({ state: 'refused', secured: false, provider: 'openssl' });
    expect(server.code, server.reason).to.be.oneOf(['TLSHUB_PEER_PROTOCOL', 'TLSHUB_HANDSHAKE_FAILED']);
  });
});
