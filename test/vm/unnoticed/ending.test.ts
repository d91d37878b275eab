// SPDX-License-Identifier: Apache-2.0
/**
 * The last bytes of a connection arrive, however its program ends it, and however little TCP has taken by then. A small send buffer makes sure
 * that TLS has a part of the last record at that time; real servers get there by a reader that is slow.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type Program } from '../harness/index.js';
import { inTheLab } from '../harness/wire.js';

const ENDING = resolve('build/programs/ending');
const B = '10.77.0.2';
/** The kernel doubles it: then a record of 16 KiB and its overhead are just too much. */
const SMALL = { bytes: 32_768, sndbuf: 8192, rcvbuf: 0 };
/** A buffer that is full again and again. */
const STREAM = { bytes: 400_000, sndbuf: 20_000, rcvbuf: 10_000 };

let port = 7300;
/** what the last writer said */
let told = '';

interface Sizes {
  bytes: number;
  sndbuf: number;
  rcvbuf: number;
}

/** What the reader says. */
async function readToTheEnd(how: string, { bytes, sndbuf, rcvbuf }: Sizes): Promise<string> {
  port++;
  const writer = lab.spawn('b', [ENDING, 'write', String(port), String(bytes), String(sndbuf), how]);
  await writer.listening(port);
  const reader = lab.spawn('a', [ENDING, 'read', B, String(port), String(bytes), String(rcvbuf)]);
  const { stdout, stderr } = await reader.ended;
  ({ stdout: told } = await writer.ended);
  return stdout + stderr;
}

const WAYS: [how: string, what: string][] = [
  ['close', 'close()'],
  ['exit', 'its exit'],
  ['kill', 'SIGKILL'],
  ['exec', 'another program in its place'],
  ['linger', 'close() with SO_LINGER'],
  ['shutdown', 'shutdown() of the sending side'],
  ['unheard', 'shutdown() of the sending side before it has read anything'],
  ['both', 'shutdown() of both sides'],
  ['corked', 'shutdown() behind bytes sent with MSG_MORE'],
];

describe('a program that ends a connection as soon as all it had to write was taken', () => {
  inTheLab();

  for (const [how, what] of WAYS) {
    for (const [name, sizes] of Object.entries({ 'a small buffer': SMALL, 'a stream': STREAM })) {
      it(`by ${what}, ${name}: the peer reads all of it, and the end of file`, async () => {
        expect(await readToTheEnd(how, sizes)).to.equal(`${sizes.bytes} of ${sizes.bytes}, end of file\n`);
      });
    }
  }

  it('has the send buffer that it had, after a shutdown that had to make room', async () => {
    const asked = await readToTheEnd('told', SMALL);
    expect(asked).to.equal(`${SMALL.bytes} of ${SMALL.bytes}, end of file\n`);
    // Before Linux 6.5 there must be room for what splice() brings (bpf/room.bpf.h), whatever the program has asked for.
    expect(told).to.match(release().startsWith('6.1.') ? /^(7\d{4} 1 0\n)\1$/ : /^(16384 1 0\n)\1$/);
  });
});

describe('a server that waits for EPOLLOUT and closes when its last send() is done, and a client that is slow', () => {
  inTheLab();
  const PYTHON = '/usr/bin/python3';
  const SLOW_READER = resolve('test/programs/slow-reader.py');
  const BYTES = 1_500_000;
  const TIMES = 4;
  let folder = '';
  const servers: Program[] = [];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tlshub-ending-'));
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'served'), randomBytes(BYTES));
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function serve(command: string[], at: number): Promise<void> {
    const server = lab.spawn('b', command);
    servers.push(server);
    await server.listening(at);
  }

  /** @param sendfile off: it copies the file through its own buffers, as it does with what it filters or compresses */
  async function nginx(at: number, sendfile: 'on' | 'off' = 'off'): Promise<void> {
    const own = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/${of};`);
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr; user root;
      events { worker_connections 64; }
      http { access_log off; sendfile ${sendfile}; ${own.join(' ')} server { listen ${at}; root ${folder}; } }`,
    );
    await serve(['nginx', '-c', join(folder, 'nginx.conf')], at);
  }

  const wholeEachTime = async (at: number): Promise<void> => {
    const reader = lab.spawn('a', [PYTHON, SLOW_READER, B, String(at), join(folder, 'served'), String(TIMES)]);
    const { stdout, stderr } = await reader.ended;
    expect(stderr).to.equal('');
    expect(stdout).to.equal('whole\n'.repeat(TIMES));
  };

  it('gets all of a file from nginx', async () => {
    await nginx(7350);
    await wholeEachTime(7350);
  });

  it('gets all of a file from nginx, by sendfile', async () => {
    await nginx(7353, 'on');
    await wholeEachTime(7353);
  });

  it('gets all of it from a server of asyncio', async () => {
    await serve([PYTHON, '-c', ASYNCIO, join(folder, 'served')], 7354);
    await wholeEachTime(7354);
  });

  it('gets all of it from a server of Node.js', async () => {
    await serve([process.execPath, '-e', NODE, join(folder, 'served')], 7355);
    await wholeEachTime(7355);
  });

  it('gets all of it through haproxy in TCP mode', async () => {
    await nginx(7351);
    writeFileSync(
      join(folder, 'haproxy.cfg'),
      `defaults
  mode tcp
  timeout connect 10s
  timeout client 120s
  timeout server 120s
listen relay
  bind :7352
  server nginx 127.0.0.1:7351
`,
    );
    await serve(['haproxy', '-db', '-f', join(folder, 'haproxy.cfg')], 7352);
    await wholeEachTime(7352);
  });
});

const ASYNCIO = `
import asyncio, sys
content = b'HTTP/1.0 200 OK\\r\\n\\r\\n' + open(sys.argv[1], 'rb').read()
async def answer(reader, writer):
    await reader.read(1000)
    writer.write(content)
    writer.close()
async def serve():
    async with await asyncio.start_server(answer, '0.0.0.0', 7354) as server:
        await server.serve_forever()
asyncio.run(serve())
`;
const NODE = `
  const content = require('fs').readFileSync(process.argv[1]);
  require('http').createServer((request, response) => response.end(content)).listen(7355);
`;
