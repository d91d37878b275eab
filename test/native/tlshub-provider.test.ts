// SPDX-License-Identifier: Apache-2.0
/** The TLSHub provider's pool with two stand-ins for the module: what the installer would get from the pools of two nodes. */
import { expect } from 'chai';
import { loadConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';
import { parseAddress } from '../../src/shared/net/address.js';
import { MessageReceiver } from '../../src/shared/ipc/message-ring.js';
import { Doorbell } from '../../src/shared/ipc/doorbell.js';
import type { Negotiated } from '../../src/shared/ipc/messages.js';
import { tlshubNetlink } from '../../src/shared/kernel/native.js';
import type { Role } from '../../src/shared/kernel/words.js';
import type { Negotiation, Provider } from '../../src/supervisor/provider/provider.js';
import { RingRegistry } from '../../src/supervisor/provider/ring-registry.js';
import { planTlshub } from '../../src/supervisor/provider/tlshub-plan.js';
import { startOwnHelpers } from '../fakes/own-helpers.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { CLIENT, PROTOCOL, SERVER, startPeer, stopAll, type Peer } from './tlshub-peers.js';
import { fdOf, tcpPair, type Pair } from './handshake-kit.js';

/** TLSHub has its own. */
const NO_CREDENTIALS = { caPem: '', certPem: '', keyPem: '', ciphers: [] };

interface Node {
  pool: Provider;
  rings: MessageReceiver<Negotiated>[];
  lines: ReturnType<typeof memoryLogger>;
}

describe('the TLSHub provider', function () {
  this.timeout(60_000);
  const nodes: Node[] = [];
  const helpers = startOwnHelpers();
  let pair: Pair;
  let tickets = 0;

  const configFor = (peer: Peer, nodeName: string): Config => {
    const base = loadConfig('config/capture.conf');
    const tlshub = { ...base.tlshub, peerPortId: peer.portId };
    return { ...base, netlinkProtocol: PROTOCOL, nodeName, tlshub };
  };

  async function makeNode(peer: Peer, name: string): Promise<Node> {
    const rings: MessageReceiver<Negotiated>[] = [];
    const lines = memoryLogger();
    const registry = new RingRegistry();
    registry.attach({
      addRing: (_, ring) => rings.push(new MessageReceiver<Negotiated>(ring)),
      dropRing: () => undefined,
    });
    const parts = {
      credentials: NO_CREDENTIALS,
      doorbell: new Doorbell(),
      rings: registry,
      helperParentFd: helpers.fd,
      log: lines.log,
    };
    const pool = await planTlshub({ ...parts, config: configFor(peer, name) }).create((error) => {
      throw error;
    }, true);
    const node = { pool, rings, lines };
    nodes.push(node);
    return node;
  }

  function negotiate(node: Node, role: Role, port: number, timeoutMs = 20_000, of = pair): Negotiation {
    const active = role === 'active';
    const [client, server] = [parseAddress(CLIENT), parseAddress(SERVER)];
    const ticket = ++tickets;
    const negotiation = node.pool.negotiate({
      names: {
        role,
        tuple: active
          ? { local: client, remote: server, lport: port, rport: 443 }
          : { local: server, remote: client, lport: 443, rport: port },
        iss: active ? 1000 : 2000,
        irs: active ? 2000 : 1000,
        peerNames: [active ? 'b' : 'a'],
      },
      socket: {
        ticket,
        slot: ticket,
        fd: fdOf(active ? of.active : of.passive),
        cookie: BigInt(ticket),
        generation: 1,
        charge: 0,
      },
      askedNs: 0,
      waitMs: timeoutMs,
      timeoutMs,
      peerHasAgent: false,
    });
    if (negotiation === undefined) throw new Error('the pool was full');
    return negotiation;
  }

  /** What a node's installer would get, by port order of the tickets. */
  function secrets(node: Node): string[] {
    const all: [number, string][] = [];
    for (const ring of node.rings) {
      ring.receive(({ ticket, secrets: handle, summary, ...rest }) => {
        expect(rest).to.include({ txSequence: 0n, rxSequence: 0n, bytesSent: 0, bytesReceived: 0 });
        expect(summary.cipher).to.equal('TLS_AES_128_GCM_SHA256');
        all.push([ticket, Buffer.from(tlshubNetlink().revealSecret(handle)).toString('hex')]);
      });
    }
    return all.sort(([a], [b]) => a - b).map(([, text]) => text);
  }

  beforeEach(async () => (pair = await tcpPair()));
  after(() => helpers.stop());
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(({ pool }) => pool.close()));
    await stopAll();
    pair.close();
  });

  it('gives both ends the same secrets, whoever begins', async () => {
    const [a, b] = await Promise.all([makeNode(await startPeer(CLIENT), 'a'), makeNode(await startPeer(SERVER), 'b')]);
    expect(a.pool.kind).to.equal('out-of-band');
    expect(a.pool.stats().library?.version).to.match(/^TLSHub, netlink protocol 2, a stand-in with port id \d+$/);
    // The passive sides wait in their loop for what the active ones ask the module for.
    const pairs = await Promise.all(Array.from({ length: 40 }, () => tcpPair()));
    const passive = pairs.map((of, i) => negotiate(b, 'passive', 30_000 + i, 20_000, of));
    const active = pairs.map((of, i) => negotiate(a, 'active', 30_000 + i, 20_000, of));
    const outcomes = await Promise.all([...passive, ...active].map(({ outcome }) => outcome));
    expect(outcomes).to.deep.equal(Array(80).fill({ ok: true, resumed: false }));
    const [one, other] = [secrets(a), secrets(b)];
    expect(one).to.have.length(40);
    expect(new Set(one).size).to.equal(40);
    expect(one).to.deep.equal(other);
    for (const of of pairs) of.close();
  });

  it('a server side without a key gives up at its deadline', async () => {
    const b = await makeNode(await startPeer(SERVER), 'b');
    const outcome = await negotiate(b, 'passive', 31_000, 150).outcome;
    expect(outcome).to.include({ ok: false, code: 'TLSHUB_NO_KEY' });
    expect(b.pool.stats()).to.include({ inFlight: 0, failed: 1 });
  });

  it('a server side sees a peer that speaks TLS in-band, and one that goes away', async () => {
    const b = await makeNode(await startPeer(SERVER), 'b');
    pair.active.write(Buffer.from([22, 3, 1, 0, 5]));
    expect(await negotiate(b, 'passive', 31_001).outcome).to.include({ ok: false, code: 'TLSHUB_PEER_PROTOCOL' });
    pair.close();
    pair = await tcpPair();
    const waiting = negotiate(b, 'passive', 31_002);
    pair.active.end();
    expect(await waiting.outcome).to.include({ ok: false, code: 'TLSHUB_PEER_CLOSED' });
  });

  it('cancels', async () => {
    const b = await makeNode(await startPeer(SERVER), 'b');
    const negotiation = negotiate(b, 'passive', 31_003);
    setTimeout(() => negotiation.cancel(), 50);
    expect(await negotiation.outcome).to.include({ ok: false, code: 'TLSHUB_HANDSHAKE_CANCELLED' });
  });

  it('100 handshakes that get no answer hold up no look-up', async () => {
    const a = await makeNode(await startPeer(CLIENT), 'a');
    // The other node has no peer, so these hang; the same module answers look-ups.
    const hanging = Array.from({ length: 100 }, (_, i) => negotiate(a, 'active', 32_000 + i, 5000));
    const passive = await negotiate(a, 'passive', 33_000, 1000).outcome;
    expect(passive).to.include({ ok: false, code: 'TLSHUB_NO_KEY' });
    for (const negotiation of hanging) negotiation.cancel();
    const codes = await Promise.all(hanging.map(async ({ outcome }) => (await outcome).ok));
    expect(codes).to.deep.equal(Array(100).fill(false));
  });

  it('passes lines of the module on to the log', async () => {
    const a = await makeNode(await startPeer(CLIENT, '--misbehave', 'logs=30', '--misbehave', 'fail'), 'a');
    expect(await negotiate(a, 'active', 34_000).outcome).to.include({ ok: false, code: 'TLSHUB_MODULE_REFUSED' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const lines = a.lines.lines.map(({ message }) => message);
    expect(lines).to.include('TLSHub module: log line 20');
  });

  it('does not start without the module, and comes back with it', async () => {
    const peer = await startPeer(CLIENT);
    const a = await makeNode(peer, 'a');
    await peer.stop();
    expect(await negotiate(a, 'active', 35_000).outcome).to.include({ ok: false, code: 'TLSHUB_MODULE_MISSING' });
    let code = '';
    await makeNode(peer, 'a').catch((error: unknown) => (code = (error as { code: string }).code));
    expect(code).to.equal('TLSHUB_MODULE_MISSING');
  });
});
