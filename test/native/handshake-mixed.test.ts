// SPDX-License-Identifier: Apache-2.0
/** BoringSSL against itself and against OpenSSL, in both directions, in one process: the two must neither mix nor differ. */
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { HandshakeAddon, HandshakeContext, HandshakeDriver } from '../../src/shared/kernel/handshake-addon.js';
import type { Role, TlsLibrary } from '../../src/shared/kernel/words.js';
import { handshakeAddon } from '../../src/shared/kernel/native.js';
import { makeLab, refused, request, run, succeeded, tcpPair, secretsOf } from './handshake-kit.js';
import type { Lab, Pair } from './handshake-kit.js';

const BORINGSSL_PATH = new URL('../../../dist/native/tlshub_boringssl.node', import.meta.url).pathname;

describe('BoringSSL', () => {
  it('is what its addon runs on, and OpenSSL what the other one does', () => {
    const boring = handshakeAddon('boringssl');
    const open = handshakeAddon('openssl');
    expect(boring.libraryVersion()).to.equal('BoringSSL');
    expect(boring.libraryFile()).to.match(/\/android\/libssl\.so\.0$/);
    expect(open.libraryVersion()).to.match(new RegExp(`^OpenSSL ${process.versions.openssl.replaceAll('.', '\\.')} `));
    expect(open.libraryFile()).to.equal(process.execPath);
  });

  it('refuses to run when its calls would reach OpenSSL, as they do after an ordinary require()', () => {
    const code = `try { require(${JSON.stringify(BORINGSSL_PATH)}); } catch ({ code, message }) { console.log(code, message); }`;
    const { stdout, status } = spawnSync(process.execPath, ['-e', code], { encoding: 'utf8' });
    expect(status).to.equal(0);
    expect(stdout).to.match(/^TLSHUB_LIBRARY_FOREIGN .*made for BoringSSL in .*, but calls reach OpenSSL 3\./);
  });
});

for (const [active, passive] of [
  ['boringssl', 'boringssl'],
  ['openssl', 'boringssl'],
  ['boringssl', 'openssl'],
] as [TlsLibrary, TlsLibrary][]) {
  describe(`handshake of ${active} (active) with ${passive} (passive)`, () => {
    const addons: Record<Role, HandshakeAddon> = { active: handshakeAddon(active), passive: handshakeAddon(passive) };
    let lab: Lab;
    let other: Lab;
    let drivers: Record<Role, HandshakeDriver>;
    let pairs: Pair[];
    const context = async (role: Role, of = lab, days = 1): Promise<HandshakeContext> =>
      addons[role].createContext(await of.credentials(role === 'active' ? 'a' : 'b', days));

    before(async () => {
      lab = await makeLab('lab');
      other = await makeLab('another lab');
    });
    after(() => Promise.all([lab.remove(), other.remove()]));
    beforeEach(() => {
      drivers = { active: addons.active.createDriver(), passive: addons.passive.createDriver() };
      pairs = [];
    });
    afterEach(() => {
      drivers.active.close();
      drivers.passive.close();
      for (const pair of pairs) pair.close();
    });

    async function meet(contexts: Record<Role, HandshakeContext>, activeExpects = 'b', passiveExpects = 'a') {
      const pair = await tcpPair();
      pairs.push(pair);
      return Promise.all([
        run(drivers.active, contexts.active, request(pair.active, 'active', activeExpects)),
        run(drivers.passive, contexts.passive, request(pair.passive, 'passive', passiveExpects)),
      ]);
    }

    it('gives both ends the same secrets and sequence numbers, with one ticket between them', async () => {
      const outcomes = await meet({ active: await context('active'), passive: await context('passive') });
      const [client, server] = outcomes.map(succeeded);
      expect(client).to.include({ tlsVersion: 'TLSv1.3', peerName: 'b', txSequence: 0n, rxSequence: 1n });
      expect(server).to.include({ tlsVersion: 'TLSv1.3', peerName: 'a', txSequence: 1n, rxSequence: 0n });
      expect(client?.cipher).to.equal(server?.cipher);
      expect(secretsOf(client!)).to.deep.equal(secretsOf(server!));
      expect(client?.bytesSent).to.equal(server?.bytesReceived);
      expect(client?.bytesReceived).to.equal(server?.bytesSent);
    });

    it('resumes sessions where both have a ticket key, and only as long as they have it', async () => {
      const keyed = async (role: Role): Promise<HandshakeContext> =>
        addons[role].createContext({
          ...(await lab.credentials(role === 'active' ? 'a' : 'b')),
          ticketKey: randomBytes(80),
        });
      const contexts = { active: await keyed('active'), passive: await keyed('passive') };
      const resumed = async (): Promise<boolean[]> => (await meet(contexts)).map((each) => succeeded(each).resumed);
      expect(await resumed()).to.deep.equal([false, false]);
      expect(await resumed()).to.deep.equal([true, true]);
      const [client, server] = (await meet(contexts)).map(succeeded);
      expect(client).to.include({ resumed: true, peerName: 'b', txSequence: 0n, rxSequence: 1n });
      expect(server).to.include({ resumed: true, peerName: 'a', txSequence: 1n, rxSequence: 0n });
      expect(secretsOf(client!)).to.deep.equal(secretsOf(server!));
      contexts.passive = await keyed('passive');
      expect(await resumed()).to.deep.equal([false, false]);
      expect(await resumed()).to.deep.equal([true, true]);
      contexts.passive = await context('passive');
      for (let i = 0; i < 2; i++) expect(await resumed()).to.deep.equal([false, false]);
      const credentials = await lab.credentials('a');
      expect(() => addons.active.createContext({ ...credentials, ticketKey: new Uint8Array(79) })).to.throw('80 bytes');
    });

    it('does 100 at once', async function () {
      this.timeout(30_000);
      const contexts = { active: await context('active'), passive: await context('passive') };
      const outcomes = await Promise.all(Array.from({ length: 100 }, () => meet(contexts)));
      for (const outcome of outcomes.flat()) succeeded(outcome);
    });

    it('refuses another CA, another name and an expired certificate, and tells the peer', async () => {
      const good = { active: await context('active'), passive: await context('passive') };
      const { caPem } = await lab.credentials('b');
      const stranger = await other.credentials('a');
      const trusting = addons.active.createContext({ ...stranger, caPem: stranger.caPem + caPem });
      const cases = [
        { outcomes: await meet({ ...good, active: trusting }), says: /unknown CA/, alert: 'unknown_ca' },
        { outcomes: await meet(good, 'b', 'x'), says: /names \[a\], expected one of \[x\]/, alert: 'bad_certificate' },
        {
          outcomes: await meet({ ...good, active: await context('active', lab, -1) }),
          says: /has expired/,
          alert: 'certificate_expired',
        },
      ];
      for (const { outcomes, says, alert } of cases) {
        const [client, server] = outcomes.map(refused);
        expect(server?.code).to.equal('TLSHUB_PEER_CERTIFICATE');
        expect(server?.reason).to.match(says);
        expect(client?.code).to.equal('TLSHUB_PEER_REFUSED_US');
        expect(client?.reason).to.contain(`alert ${alert}`);
      }
      const [client, server] = (await meet(good, 'x')).map(refused);
      expect(client?.code).to.equal('TLSHUB_PEER_CERTIFICATE');
      expect(server?.code).to.equal('TLSHUB_PEER_REFUSED_US');
    });

    it('never lets a connection go with a cipher that is not allowed', async () => {
      const contexts = { active: await context('active'), passive: await context('passive') };
      const [client] = (await meet(contexts)).map(succeeded);
      const cipher = client?.cipher;
      const others = (await lab.credentials('a')).ciphers.filter((name) => name !== cipher);
      for (const role of ['active', 'passive'] as const) {
        const strict = addons[role].createContext({
          ...(await lab.credentials(role === 'active' ? 'a' : 'b')),
          ciphers: others,
        });
        const outcomes = await meet({ ...contexts, [role]: strict });
        const [mine, theirs] = role === 'active' ? outcomes : [outcomes[1], outcomes[0]];
        if (mine.ok) {
          // The library that could be told has been told, or the other one could choose.
          expect(others).to.include(mine.cipher);
          expect(theirs.ok).to.equal(true);
          continue;
        }
        expect(mine.code).to.equal('TLSHUB_PEER_PROTOCOL');
        expect(mine.reason).to.equal(`the two TLS libraries agreed on ${cipher}, which tls.ciphers does not allow`);
        expect(refused(theirs).code).to.equal('TLSHUB_PEER_REFUSED_US');
        expect(refused(theirs).reason).to.contain('handshake_failure');
      }
    });
  });
}

describe('both libraries in the same threads', () => {
  it('work beside each other in four threads, and survive their end in the middle of handshakes', async function () {
    this.timeout(60_000);
    const lab = await makeLab('lab');
    try {
      const native = new URL('../../src/shared/kernel/native.js', import.meta.url).href;
      const workerData = { native, a: await lab.credentials('a'), b: await lab.credentials('b') };
      const code = `
        const { parentPort, workerData } = require('node:worker_threads');
        const net = require('node:net');
        import(workerData.native).then(({ handshakeAddon }) => {
          const sides = { active: ['boringssl', 'a', 'b'], passive: ['openssl', 'b', 'a'] };
          const make = ([library, own, peer]) => {
            const addon = handshakeAddon(library);
            return { peer, context: addon.createContext(workerData[own]), driver: addon.createDriver() };
          };
          const ends = { active: make(sides.active), passive: make(sides.passive) };
          const run = (socket, role) => new Promise((resolve) => ends[role].driver.start(ends[role].context,
            { fd: socket._handle.fd, role, peerNames: [ends[role].peer], timeoutMs: 5000, keyLog: false }, resolve));
          const server = net.createServer({ pauseOnConnect: true }, (socket) => {
            socket.on('error', () => {});
            run(socket, 'passive').then(() => socket.destroy());
          }).listen(0, '127.0.0.1', () => { for (let i = 0; i < 4; i++) again(); });
          const again = () => {
            const socket = net.connect(server.address().port, '127.0.0.1').pause();
            socket.on('error', () => {});
            socket.on('connect', async () => {
              const outcome = await run(socket, 'active');
              socket.destroy();
              parentPort.postMessage(outcome.ok ? 'ok' : outcome.code + ': ' + outcome.reason);
              again();
            });
          };
        });`;
      for (let round = 0; round < 3; round++) {
        const workers = Array.from({ length: 4 }, () => new Worker(code, { eval: true, workerData }));
        for (const worker of workers) {
          const [first] = (await once(worker, 'message')) as [string];
          expect(first).to.equal('ok');
        }
        await Promise.all(workers.map((worker) => worker.terminate()));
      }
    } finally {
      await lab.remove();
    }
  });
});
