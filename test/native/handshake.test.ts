// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import type { HandshakeContext, HandshakeDriver } from '../../src/shared/kernel/handshake-addon.js';
import {
  addon,
  ALL_CIPHERS,
  makeLab,
  refused,
  request,
  run,
  succeeded,
  tcpPair,
  type Lab,
  type Pair,
  secretsOf,
} from './handshake-kit.js';

describe('handshake addon', () => {
  let lab: Lab;
  let other: Lab;
  let a: HandshakeContext;
  let b: HandshakeContext;
  let driver: HandshakeDriver;
  let peerDriver: HandshakeDriver;
  let pairs: Pair[];

  before(async () => {
    lab = await makeLab('lab');
    other = await makeLab('another lab');
    a = await lab.context('a');
    b = await lab.context('b');
  });
  after(async () => {
    await lab.remove();
    await other.remove();
  });
  beforeEach(() => {
    driver = addon.createDriver();
    peerDriver = addon.createDriver();
    pairs = [];
  });
  afterEach(() => {
    driver.close();
    peerDriver.close();
    for (const pair of pairs) pair.close();
  });

  async function newPair(): Promise<Pair> {
    const pair = await tcpPair();
    pairs.push(pair);
    return pair;
  }

  async function both(active: HandshakeContext, passive: HandshakeContext, activeExpects = 'b', passiveExpects = 'a') {
    const pair = await newPair();
    return Promise.all([
      run(driver, active, request(pair.active, 'active', activeExpects)),
      run(peerDriver, passive, request(pair.passive, 'passive', passiveExpects)),
    ]);
  }

  it('names its library', () => {
    expect(addon.libraryVersion()).to.equal(`OpenSSL ${process.versions.openssl} ${addon.libraryVersion().slice(-11)}`);
  });

  for (const cipher of ALL_CIPHERS) {
    it(`gives both ends the same secrets for ${cipher}`, async () => {
      const only = addon.createContext({ ...(await lab.credentials('a')), ciphers: [cipher] });
      const [client, server] = (await both(only, b)).map(succeeded);
      expect(client).to.include({ cipher, tlsVersion: 'TLSv1.3', peerName: 'b', txSequence: 0n, rxSequence: 1n });
      expect(server).to.include({ cipher, tlsVersion: 'TLSv1.3', peerName: 'a', txSequence: 1n, rxSequence: 0n });
      const secrets = secretsOf(client!);
      expect(secrets.client).to.have.length(cipher === 'TLS_AES_256_GCM_SHA384' ? 48 : 32);
      expect(secrets).to.deep.equal(secretsOf(server!));
      expect(client?.bytesSent).to.equal(server?.bytesReceived);
      expect(client?.bytesReceived).to.equal(server?.bytesSent);
      expect(client?.keyLog).to.deep.equal([]);
      expect(Number(client?.durationNs)).to.be.within(1, 10e9);
    });
  }

  it('returns key log lines when asked, and they hold the same secrets', async () => {
    const pair = await newPair();
    const [client] = await Promise.all([
      run(driver, a, request(pair.active, 'active', 'b', { keyLog: true })),
      run(peerDriver, b, request(pair.passive, 'passive', 'a')),
    ]);
    const outcome = succeeded(client);
    const { keyLog } = outcome;
    expect(keyLog.map((line) => line.split(' ')[0])).to.include.members([
      'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
      'SERVER_HANDSHAKE_TRAFFIC_SECRET',
      'CLIENT_TRAFFIC_SECRET_0',
      'SERVER_TRAFFIC_SECRET_0',
    ]);
    const line = keyLog.find((text) => text.startsWith('CLIENT_TRAFFIC_SECRET_0 '));
    expect(line?.split(' ')[2]).to.equal(Buffer.from(secretsOf(outcome).client).toString('hex'));
  });

  it('does 200 handshakes at once', async function () {
    this.timeout(30_000);
    const many = await Promise.all(Array.from({ length: 200 }, newPair));
    const outcomes = many.flatMap((pair) => [
      run(driver, a, request(pair.active, 'active', 'b')),
      run(peerDriver, b, request(pair.passive, 'passive', 'a')),
    ]);
    expect(driver.inFlight()).to.equal(200);
    for (const outcome of await Promise.all(outcomes)) succeeded(outcome);
    expect(driver.inFlight() + peerDriver.inFlight()).to.equal(0);
  });

  it('refuses a peer of another CA, and tells it', async () => {
    const { caPem } = await lab.credentials('b');
    const stranger = await other.credentials('a');
    const trusting = addon.createContext({ ...stranger, caPem: stranger.caPem + caPem });
    const [client, server] = (await both(trusting, b)).map(refused);
    expect(server?.code).to.equal('TLSHUB_PEER_CERTIFICATE');
    expect(server?.reason).to.equal('peer certificate [a] is signed by an unknown CA (issuer CN=another lab)');
    expect(server?.peerNames).to.deep.equal(['a']);
    expect(client?.code).to.equal('TLSHUB_PEER_REFUSED_US');
    expect(client?.reason).to.contain('alert unknown_ca');
  });

  it('refuses a server of another CA, which then learns of it too', async () => {
    const [client, server] = (await both(await other.context('a'), b)).map(refused);
    expect(client?.code).to.equal('TLSHUB_PEER_CERTIFICATE');
    expect(client?.reason).to.contain('signed by an unknown CA (issuer CN=lab)');
    expect(server?.code).to.equal('TLSHUB_PEER_REFUSED_US');
    expect(server?.reason).to.contain('alert unknown_ca');
  });

  it('refuses a peer with another name, and the peer learns it before its program is let loose', async () => {
    const [client, server] = (await both(a, b, 'b', 'x')).map(refused);
    expect(server?.code).to.equal('TLSHUB_PEER_CERTIFICATE');
    expect(server?.reason).to.equal('peer certificate names [a], expected one of [x]');
    expect(server?.peerNames).to.deep.equal(['a']);
    expect(client?.code).to.equal('TLSHUB_PEER_REFUSED_US');
    expect(client?.reason).to.contain('the peer refused our certificate: alert bad_certificate');
  });

  it('refuses an expired peer', async () => {
    const [client, server] = (await both(await lab.context('a', -1), b)).map(refused);
    expect(server?.reason).to.match(/^peer certificate \[a\] has expired \(notAfter .*GMT\)$/);
    expect(client?.reason).to.contain('certificate_expired');
  });

  it('fails when no peer name is expected', async () => {
    const pair = await newPair();
    const outcome = refused(await run(driver, a, request(pair.active, 'active', 'b', { peerNames: [] })));
    expect(outcome.code).to.equal('TLSHUB_HANDSHAKE_FAILED');
    expect(outcome.bytesSent).to.equal(0);
  });

  it('keeps its deadline', async () => {
    const pair = await newPair();
    const started = performance.now();
    const outcome = refused(await run(driver, a, request(pair.active, 'active', 'b', { timeoutMs: 80 })));
    expect(outcome.code).to.equal('TLSHUB_HANDSHAKE_TIMEOUT');
    expect(outcome.reason).to.equal('the peer sent nothing within 80 ms');
    expect(performance.now() - started).to.be.within(79, 2000);
  });

  it('cancels: done is called once, later', async () => {
    const pair = await newPair();
    const codes: string[] = [];
    const id = driver.start(b, request(pair.passive, 'passive', 'a'), (outcome) => codes.push(refused(outcome).code));
    driver.cancel(id);
    driver.cancel(id);
    expect(codes).to.deep.equal([]);
    expect(driver.inFlight()).to.equal(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(codes).to.deep.equal(['TLSHUB_HANDSHAKE_CANCELLED']);
    expect(driver.inFlight()).to.equal(0);
  });

  it('close() cancels all; start() afterwards throws', async () => {
    const pair = await newPair();
    const codes: string[] = [];
    driver.start(b, request(pair.passive, 'passive', 'a'), (outcome) => codes.push(refused(outcome).code));
    driver.close();
    driver.close();
    expect(codes).to.deep.equal(['TLSHUB_HANDSHAKE_CANCELLED']);
    expect(() => driver.start(b, request(pair.passive, 'passive', 'a'), () => undefined))
      .to.throw()
      .with.property('code', 'TLSHUB_DRIVER_CLOSED');
  });

  it('throws for credentials that cannot work', async () => {
    const good = await lab.credentials('a');
    const wrongKey = { ...good, keyPem: (await lab.credentials('b')).keyPem };
    expect(() => addon.createContext(wrongKey))
      .to.throw('private key: does not belong to the certificate of CN=a')
      .with.property('code', 'TLSHUB_CREDENTIALS');
  });

  it('throws a TypeError for arguments of the wrong shape', async () => {
    const pair = await newPair();
    const good = request(pair.active, 'active', 'b');
    const bad: [Record<string, unknown>, string][] = [
      [{ fd: 'x' }, 'fd must be'],
      [{ fd: -1 }, 'fd must be'],
      [{ role: 'client' }, 'role must be'],
      [{ peerNames: 'b' }, 'peerNames must be'],
      [{ peerNames: [1] }, 'peerNames must be'],
      [{ timeoutMs: NaN }, 'timeoutMs must be'],
      [{ keyLog: undefined }, 'keyLog must be'],
    ];
    for (const [change, message] of bad) {
      const wrong = { ...good, ...change };
      expect(() => driver.start(a, wrong, () => undefined), message).to.throw(TypeError, message);
    }
    expect(() => driver.start({} as HandshakeContext, good, () => undefined)).to.throw(TypeError, 'context');
    expect(() => driver.start(a, good, undefined as never)).to.throw(TypeError, 'done');
    expect(driver.inFlight()).to.equal(0);
  });
});
