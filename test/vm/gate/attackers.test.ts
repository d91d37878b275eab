// SPDX-License-Identifier: Apache-2.0
/**
 * Peers that are no agents: raw programs at a mesh address, outside the captured cgroup, that send plaintext or half a handshake. A
 * captured program must not read one byte of theirs, nor send them one of its own in the clear.
 */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type Capture, type Sniffer } from '../harness/index.js';
import { Peer, step, type Step } from '../harness/peer.js';
import { SECRET } from '../harness/wire.js';

const READERS = ['serve-blocking', 'serve-lt', 'serve-et'] as const;
const SERVER = '10.77.0.2';
/** Port of servers on it that are not captured; lower ones are of captured servers. */
const RAW_SERVER = 7900;
const OUTSIDE = { outside: true };
const EVIL = 'GET /evil';
/** A record header of a ClientHello that announces 512 bytes, and less than that. */
const HALF_HELLO = '\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xfc\\x03\\x03';
/** A whole, empty handshake record, then an application data record: what follows half a handshake. */
const HALF_AND_DATA = `${HALF_HELLO}${EVIL}\\n\\x17\\x03\\x03\\x00\\x0a${EVIL}\\n`;

describe('a peer that is no agent', () => {
  let sniffer: Sniffer;
  /** what else the capture must show, in the end */
  const onTheWire: ((capture: Capture) => void)[] = [];

  before(async () => {
    const deadlines = {
      handshake_timeout_ms: 4000,
      overload_timeout_ms: 4000,
      hold_timeout_ms: 6000,
      silent_peer_timeout_ms: 3000,
    };
    // The lease is what the next suite needs, which a reload cannot change: both have the same agents.
    await lab.need({ set: { ...deadlines, lease_ms: 30_000 } });
    sniffer = await lab.sniff();
  });
  after('whatever captured programs sent is TLS', async () => {
    const capture = await sniffer.stop();
    const captured = capture.streams.filter(({ src, sport, dport }) =>
      src === SERVER ? sport < RAW_SERVER : dport === RAW_SERVER,
    );
    expect(captured.length, 'connections on the wire').to.be.greaterThan(30);
    expect(capture.contains(EVIL), 'the attacks are on the wire').to.equal(true);
    for (const { src, sport, plaintextFrames, data } of captured) {
      expect(plaintextFrames, `plaintext from ${src}:${sport}: ${data.toString('latin1')}`).to.equal(0);
    }
    expect(capture.contains(SECRET), 'the secret is on the wire').to.equal(false);
    for (const check of onTheWire) check(capture);
  });

  /** Attacks a captured server of each kind, one after the other; what each of them read. */
  const attack = async (ops: readonly string[], port = 7000): Promise<Step[]> => {
    const servers = await Promise.all(READERS.map((reader, i) => Peer.listen('b', port + i, [`${reader}:1`])));
    await Promise.all(READERS.map((_, i) => Peer.run('a', [`connect:${SERVER}:${port + i}`, ...ops], OUTSIDE)));
    const served = await Promise.all(servers.map(async (server) => step(await server.finish(), 'served')));
    return served;
  };

  const expectUnread = (served: readonly Step[]): void => {
    for (const [i, one] of served.entries()) {
      expect(one, READERS[i]).to.include({ result: -1, data: '' });
      expect(one.error, READERS[i]).to.be.oneOf(['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ENOTCONN']);
    }
  };

  for (const [what, payload] of [
    ['plaintext', `${EVIL}\\n`],
    ['half a handshake and data', HALF_AND_DATA],
  ] as const) {
    for (const [how, ops] of [
      ['resets', ['sleep:300', 'close:reset']],
      ['closes', ['close']],
      ['stays', ['wait-ms:10000', 'cat']],
    ] as const) {
      it(`sends ${what} and ${how}: no reader gets a byte of it`, async () => {
        expectUnread(await attack([`write:${payload}`, ...ops]));
      });
    }
  }

  it('sends plaintext and resets at once, before anybody is there: no reader gets a byte of it', async () => {
    expectUnread(await attack([`write:${EVIL}\\n`, 'close:reset']));
  });

  it('checks the health by a connection with no data: every reader sees its end', async () => {
    for (const one of await attack(['close'])) expect(one).to.include({ result: 0, error: '0', data: '' });
  });

  it('checks the health and resets: no reader waits for ever', async () => {
    for (const one of await attack(['sleep:200', 'close:reset'])) expect(one.data).to.equal('');
  });

  it('puts data on the SYN (TCP Fast Open): no reader gets a byte of it', async () => {
    for (const node of ['a', 'b']) {
      // Both roles, and for every listener, without cookies (Documentation/networking/ip-sysctl.rst).
      execFileSync('nsenter', [`--net=/run/netns/tlshub-${node}`, 'sysctl', '-qw', 'net.ipv4.tcp_fastopen=0x607']);
    }
    const server = await Peer.listen('b', 7000, ['serve-blocking:1']);
    const sent = await Peer.run('a', [`fastopen:${SERVER}:7000,${EVIL}`, 'write:\\n', 'sleep:300', 'close'], OUTSIDE);
    expect(step(sent, 'fastopen').result).to.equal(EVIL.length);
    const served = step(await server.finish(), 'served');
    expectUnread([served]);
    onTheWire.push(({ segments }) => {
      const syn = segments.find((segment) => segment.syn && segment.payload.length > 0);
      expect(syn?.payload.toString(), 'data on the SYN').to.equal(EVIL);
    });
  });

  it('reads by TCP_ZEROCOPY_RECEIVE get nothing of it either', async () => {
    const server = await Peer.listen('b', 7000, [
      'accept',
      'sleep:500',
      'zerocopy-receive',
      'read',
      'zerocopy-receive',
    ]);
    await Peer.run('a', [`connect:${SERVER}:7000`, `write:${EVIL}\\n`, 'sleep:1500', 'close'], OUTSIDE);
    const steps = await server.finish();
    expect(step(steps, 'zerocopy-receive')).to.include({ result: -1, error: 'EOPNOTSUPP', data: '' });
    expect(step(steps, 'zerocopy-receive', 2)).to.include({ result: -1, error: 'EOPNOTSUPP', data: '' });
    expectUnread([step(steps, 'read')]);
  });

  it('outside the mesh: a server under strict policy reads nothing of it, by no way', async () => {
    const server = await Peer.listen('b', 7000, ['accept', 'sleep:500', 'zerocopy-receive', 'once:splice-in', 'read']);
    await Peer.run('c', [`connect:${SERVER}:7000`, `write:${EVIL}\\n`, 'sleep:1000', 'close']);
    const steps = await server.finish();
    for (const op of ['zerocopy-receive', 'splice-in', 'read']) {
      expect(step(steps, op), op).to.include({ result: -1, data: '' });
    }
  });

  it('with a bad certificate, pipelines a request behind its handshake and resets: no reader gets a byte of it', async () => {
    execFileSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', '/CN=a', '-addext', 'subjectAltName=DNS:a', '-keyout', '/tmp/evil.key', '-out', '/tmp/evil.crt'],
    ]);
    const servers = await Promise.all(READERS.map((reader, i) => Peer.listen('b', 7100 + i, [`${reader}:1`])));
    const script = resolve('test/programs/tls-attacker.py');
    const attacker = await lab.exec('a', ['python3', script, SERVER, '7100', String(READERS.length), EVIL], OUTSIDE);
    expect(attacker.stdout, attacker.stderr).to.equal('sent\n'.repeat(READERS.length));
    const served = await Promise.all(servers.map(async (server) => step(await server.finish(), 'served')));
    expectUnread(served);
  });

  for (const [how, ops] of [
    ['resets', ['sleep:300', 'close:reset']],
    ['closes', ['close']],
    ['stays', ['wait-ms:10000', 'cat']],
  ] as const) {
    it(`answers as a server with plaintext and ${how}: no client gets a byte of it, nor sends one in the clear`, async () => {
      const clients = [
        ['block', 'read', `write:${SECRET}`, 'close'],
        ['block', `write:${SECRET}`, 'read', 'close'],
        ['nb', 'read', `write:${SECRET}`, 'splice-in', 'close'],
        ['nb', `splice:${SECRET}`, 'splice-in', 'close'],
      ];
      const server = await Peer.listen(
        'b',
        RAW_SERVER,
        clients.flatMap(() => ['accept', `write:${EVIL}\\n`, ...ops]),
        OUTSIDE,
      );
      for (const client of clients) {
        const steps = await Peer.run('a', [`connect:${SERVER}:${RAW_SERVER}`, ...client]);
        for (const one of steps.slice(1, -1)) {
          expect(one.result, JSON.stringify([client, steps])).to.equal(-1);
          expect(one.data).to.equal('');
        }
      }
      await server.finish();
    });
  }
});
