// SPDX-License-Identifier: Apache-2.0
/** FIONREAD: programs are told what plain TCP tells them, the bytes that can be read now. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { Peer, step } from '../harness/peer.js';
import { EVIL, inTheLab, inTheSharedLab } from '../harness/wire.js';

const B = { IPv4: '10.77.0.2', IPv6: 'fd77::2' };
const PYTHON = '/usr/bin/python3';
const FOLDER = '/tmp/fionread';
const at = (name: string): string => join(FOLDER, name);
const program = (name: string): string => resolve('test/programs', name);

const inNode = (node: 'a' | 'b', ...command: string[]): void => {
  execFileSync('nsenter', [`--net=/run/netns/tlshub-${node}`, ...command]);
};

let port = 7560;

/** Both sides of test/programs/fionread.c; every answer of FIONREAD on node b is compared with what can be read. */
async function rounds(address: string, rounds: readonly string[], options: readonly string[] = []): Promise<void> {
  const FIONREAD = resolve('build/programs/fionread');
  const to = [address, String(++port)];
  const server = lab.spawn('b', [FIONREAD, 'serve', ...to, ...options, ...rounds]);
  await server.listening(port);
  const client = await lab.exec('a', [FIONREAD, 'send', ...to, ...rounds], { timeoutMs: 60_000 });
  if (client.code === null) server.kill();
  const { code, stdout, stderr } = await server.ended;
  expect({ reader: code, sender: client.code }, `${stdout}${stderr}; sender: ${client.stdout}`).to.deep.equal({
    reader: 0,
    sender: 0,
  });
  expect(stdout.split('\n').filter((line) => line.endsWith(' bytes'))).to.have.length(rounds.length);
}

/** What programs may ask for: these need a receive buffer that takes a megabyte at once. */
const MOST_BUFFER = '/proc/sys/net/core/rmem_max';

describe('FIONREAD says how many bytes can be read now', () => {
  inTheLab();
  let most = '';
  before(() => {
    most = readFileSync(MOST_BUFFER, 'utf8');
    writeFileSync(MOST_BUFFER, '4000000');
  });
  after(() => writeFileSync(MOST_BUFFER, most));

  for (const [family, address] of Object.entries(B)) {
    it(`around the limits of records, whatever is read and peeked at (${family})`, () =>
      rounds(address, ['1', '16383+16384', '16385', 'p16384', 'p16385+1', '1+1+1', 'p1+2+3', '20000+20000', '100x50']));
  }

  it('of a megabyte, and of hundreds of records', () =>
    rounds(B.IPv4, ['300000', 'p300000', '1000000', '977x300', 'p977x300', '1x3000'], ['rcvbuf=2000000']));

  it('of more records than are counted: never 0 before all is read', () =>
    rounds(B.IPv4, ['m1x9000'], ['rcvbuf=2000000']));

  it('with a receive buffer smaller than a record, which TLS copies', () =>
    rounds(B.IPv4, ['1000', 'm16384', 'm30000', '1+1+1'], ['rcvbuf=12000']));

  describe('in segments of their own', () => {
    before(() => inNode('a', 'ip', 'link', 'set', 'dev', 'eth0', 'gso_max_segs', '1'));
    after(() => inNode('a', 'ip', 'link', 'set', 'dev', 'eth0', 'gso_max_segs', '65535'));
    it('which divide records and their headers anywhere', () =>
      rounds(B.IPv4, ['1x2000', '7x1500', 'p977x100', '300000'], ['rcvbuf=2000000']));
  });

  describe('over a slow link', () => {
    before(() => inNode('a', ...'tc qdisc add dev eth0 root tbf rate 1mbit burst 4000 limit 200000'.split(' ')));
    after(() => inNode('a', ...'tc qdisc del dev eth0 root'.split(' ')));
    it('parts of records are not counted', () => rounds(B.IPv4, ['s60000']));
  });
});

describe('programs that go by FIONREAD', () => {
  inTheLab();

  for (const [family, address] of Object.entries(B)) {
    it(`read to the end (${family})`, async () => {
      const to = [address, String(++port)];
      const server = lab.spawn('b', [PYTHON, program('available.py'), 'serve', ...to]);
      await server.listening(port);
      const reader = await lab.exec('a', [PYTHON, program('available.py'), 'read', ...to]);
      expect(reader.stdout.trim(), reader.stderr).to.equal('60000');
      await server.stop();
    });
  }

  describe('nginx', () => {
    const SIZES = [500, 1500, 4000, 9000, 16_000, 40_000, 300_000];
    const body = (size: number): string => `${String(size).padStart(7, '0')}\n`.repeat(size / 8 + 1).slice(0, size);

    before('a proxy on node a, towards the mesh, and one on node b, which is asked from there', async function () {
      this.timeout(120_000);
      rmSync(FOLDER, { recursive: true, force: true });
      mkdirSync(FOLDER);
      const serve = async (node: 'a' | 'b', listen: string, upstream: string): Promise<void> => {
        const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
        const folders = paths.map((name) => `${name}_temp_path ${at(`${node}-${name}`)};`).join(' ');
        writeFileSync(
          at(`${node}.conf`),
          `daemon off; worker_processes 1; pid ${at(`${node}.pid`)}; error_log stderr; user root;
          events { worker_connections 64; }
          http { access_log off; ${folders} client_max_body_size 10m; upstream u { server ${upstream}; keepalive 4; }
            server { ${listen} location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; } } }`,
        );
        const started = lab.spawn(node, ['nginx', '-c', at(`${node}.conf`)]);
        await started.listening(8100);
      };
      const echoes = ['10.77.0.2', '127.0.0.1'].map((host) =>
        lab.spawn('b', [PYTHON, program('bodies.py'), host, '8101']),
      );
      for (const each of echoes) await each.listening(8101);
      await serve('b', `listen ${B.IPv4}:8100; listen [${B.IPv6}]:8100;`, '127.0.0.1:8101');
      await serve('a', 'listen 127.0.0.1:8100;', `${B.IPv4}:8101`);
    });

    const curl = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await lab.exec('a', ['curl', '-sS', '--max-time', '40', '-o', at('out'), ...args]);
      expect(code, stderr).to.equal(0);
      return readFileSync(at('out'), 'latin1');
    };

    it('as a proxy hands on answers of every size', async () => {
      for (const size of SIZES) expect(await curl(`http://127.0.0.1:8100/${size}`), `${size}`).to.equal(body(size));
    });

    for (const [family, address] of Object.entries({ IPv4: B.IPv4, IPv6: `[${B.IPv6}]` })) {
      it(`takes request bodies of every size (${family})`, async () => {
        for (const size of SIZES) {
          writeFileSync(at('body'), body(size));
          const answer = await curl('-H', 'Expect:', '--data-binary', `@${at('body')}`, `http://${address}:8100/`);
          expect(answer, `${size}`).to.equal(body(size));
        }
      });
    }
  });
});

describe('FIONREAD while a flow is held', () => {
  inTheSharedLab();

  it('says 0, whatever a peer has sent that is no agent', async () => {
    const server = await Peer.listen('b', 7081, ['accept', 'sleep:300', 'queued']);
    lab.signal('b', 'SIGSTOP'); // who would read it
    try {
      const raw = ['bind:0.0.0.0:7950', `connect:${B.IPv4}:7081`, `write:${EVIL}`, 'sleep:60000'];
      const peer = Peer.start('a', raw, { outside: true });
      expect(step(await server.finish(), 'queued')).to.include({ result: 0 });
      await peer.stop();
    } finally {
      lab.signal('b', 'SIGCONT');
    }
  });
});
