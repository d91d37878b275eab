// SPDX-License-Identifier: Apache-2.0
/**
 * Keys of TLSHub on both nodes, each with a stand-in for the module in its network namespace: what is on the wire is only the programs' own
 * data, encrypted by the kernel, and not one byte of a handshake. The program matrix with these keys is in test/vm/providers.
 */
import { expect } from 'chai';
import { detailedFlows, mutualTls, type Expected } from '../harness/mutual-tls.js';
import { lab, type Result } from '../harness/index.js';
import { Peer } from '../harness/peer.js';
import { at, makeContent, makeFolder } from '../matrix/files.js';
import * as servers from '../matrix/servers.js';
import { loadModule, logMessages, reloadModule, unloadModule } from './support.js';

const { PORTS } = servers;
const byTlshub = (expected: Expected, exchange: () => Promise<void>): ReturnType<typeof mutualTls> =>
  mutualTls({ providers: { active: 'tlshub', passive: 'tlshub' }, ...expected }, exchange);

function worked({ code, stderr }: Result): void {
  expect(code, stderr).to.equal(0);
}

describe('unmodified programs over keys of TLSHub', () => {
  const curl = (url: string, ...more: string[]): Promise<Result> =>
    lab.exec('a', ['curl', '-gsSf', '-m', '60', ...more, '-o', at('out'), url]);

  before(async function () {
    this.timeout(240_000);
    makeFolder();
    makeContent('text', 300_000, true);
    await lab.up({ mode: 'tlshub' });
    await servers.nginx();
  });
  after(() => lab.down());

  it('tells in the status who gives the keys', async () => {
    const { providers } = await lab.status('a');
    expect(providers[0]?.name).to.equal('tlshub');
    expect(providers[0]?.libraryVersion).to.equal('TLSHub, netlink protocol 2, a stand-in with port id 4711');
  });

  it('gives none to the programs themselves, which have its netlink protocol in their namespace', async () => {
    const ask = async (outside: boolean): Promise<unknown> => {
      const steps = await Peer.run('a', ['kinds:16/2'], { outside });
      return steps.find(({ op, data }) => op === 'kind' && data === '16/3/2');
    };
    expect(await ask(true)).to.include({ result: 0 });
    expect(await ask(false)).to.include({ result: -1, error: 'EPROTONOSUPPORT' });
  });

  it('the same ports again give other keys, though the module has the same master key', async () => {
    // A client with a fixed port that sends the same bytes each time, and a server that closes first, which leaves the port free.
    const server = [
      'import socket',
      's = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)',
      's.bind(("10.77.0.2", 7300)); s.listen()',
      'for _ in range(2):',
      '  c, _ = s.accept()',
      '  while len(c.recv(64, socket.MSG_PEEK)) < 64: pass',
      '  c.recv(64); c.sendall(bytes(64)); c.shutdown(socket.SHUT_WR); c.recv(1); c.close()',
    ].join('\n');
    const client = [
      'import socket',
      's = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)',
      's.bind(("10.77.0.1", 40123)); s.connect(("10.77.0.2", 7300)); s.sendall(bytes(64))',
      'got = b""',
      'while True:',
      '  more = s.recv(64)',
      '  if not more: break',
      '  got += more',
      'assert got == bytes(64), got',
    ].join('\n');
    const program = lab.spawn('b', ['/usr/bin/python3', '-c', server]);
    await program.listening(7300);
    const { capture } = await byTlshub({ port: 7300, connections: 2 }, async () => {
      for (let i = 0; i < 2; i++) worked(await lab.exec('a', ['/usr/bin/python3', '-c', client]));
    });
    worked(await program.ended);
    for (const port of [40123, 7300]) {
      const [first, second] = capture.port(7300).filter(({ sport }) => sport === port);
      expect(first?.data.length).to.equal(64 + 22); // one record: header 5, content type 1, tag 16 (RFC 8446, 5.2)
      expect(second?.data.length).to.equal(64 + 22);
      expect(first?.data.equals(second?.data ?? first.data), 'the same ciphertext twice').to.equal(false);
    }
  });

  it('refuses IPv6, which TLSHub has no names for, and says so', async () => {
    expect((await curl(`http://[fd77::2]:${PORTS.nginx}/text`)).code).to.not.equal(0);
    const refused = (await detailedFlows('a')).at(-1);
    expect(refused).to.include({ state: 'refused', code: 'TLSHUB_IPV4_ONLY', provider: 'tlshub' });
    expect(refused?.reason).to.equal('TLSHub has no keys for IPv6 connections');
  });

  it('refuses connections while the module is gone, and goes on when it is back', async () => {
    await unloadModule('a');
    expect((await curl(`http://10.77.0.2:${PORTS.nginx}/text`)).code).to.not.equal(0);
    expect((await detailedFlows('a')).at(-1)).to.include({ state: 'refused', code: 'TLSHUB_MODULE_MISSING' });
    await loadModule('a');
    await byTlshub({ port: PORTS.nginx }, async () => {
      worked(await curl(`http://10.77.0.2:${PORTS.nginx}/text`));
    });
  });

  it('passes log lines of the module on, and takes no harm from them', async () => {
    await reloadModule('a', '--misbehave', 'logs=3', '--misbehave', 'late=50');
    await byTlshub({ port: PORTS.nginx }, async () => {
      worked(await curl(`http://10.77.0.2:${PORTS.nginx}/text`));
    });
    expect((await logMessages('a')).filter((line) => line === 'TLSHub module: log line 3').length).to.be.greaterThan(0);
  });

  for (const [misbehaviour, code] of [
    ['status=7', 'TLSHUB_MODULE_PROTOCOL'],
    ['fail', 'TLSHUB_MODULE_REFUSED'],
    ['silent', 'TLSHUB_MODULE_TIMEOUT'],
  ] as const) {
    it(`refuses what a module with ${misbehaviour} cannot secure, on both sides, and sends nothing`, async () => {
      await reloadModule('a', '--misbehave', misbehaviour);
      const sniffer = await lab.sniff();
      expect((await curl(`http://10.77.0.2:${PORTS.nginx}/text`)).code).to.not.equal(0);
      const capture = await sniffer.stop();
      expect(capture.payloadFrames, capture.describe()).to.equal(0);
      expect((await detailedFlows('a')).at(-1)).to.include({ state: 'refused', code, secured: false });
    });
  }

  it('leaves no descriptor and no work behind', async () => {
    for (const node of ['a', 'b'] as const) {
      const { flows, providers } = await lab.status(node);
      expect(flows).to.include({ held: 0, negotiating: 0, secured: 0 });
      expect(providers[0]).to.include({ inFlight: 0, queued: 0 });
    }
  });
});
