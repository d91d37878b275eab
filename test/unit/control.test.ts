// SPDX-License-Identifier: Apache-2.0
import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { ControlClient, controlRequest } from '../../src/control/client.js';
import type { ControlHandlers } from '../../src/control/protocol.js';
import { startControlServer, type ControlServer } from '../../src/control/server.js';
import { LineSplitter } from '../../src/shared/text/lines.js';
import { MAX_REQUEST_BYTES } from '../../src/control/protocol.js';
import { ControlError, NotFoundError, TlshubError } from '../../src/shared/errors/errors.js';
import { temporaryFolder } from './support/temporary.js';
import { rejected } from './support/thrown.js';

/** Sends bytes as they are and returns the answers, until the server closes or `lines` have come. */
function raw(
  path: string,
  bytes: Buffer | string,
  lines = Infinity,
): Promise<{ answers: Record<string, unknown>[]; closed: boolean }> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = createConnection(path);
    const done = (closed: boolean): void => {
      socket.destroy();
      resolve({
        answers: text
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as Record<string, unknown>),
        closed,
      });
    };
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (text.split('\n').length > lines) done(false);
    });
    socket.on('end', () => done(true));
    socket.on('error', reject);
  });
}

describe('line splitter', () => {
  it('finds the lines wherever the chunks are cut', () => {
    const text = Buffer.from('one\n\ntwo é\nthree');
    for (let size = 1; size <= text.length; size++) {
      const splitter = new LineSplitter(100);
      const lines: string[] = [];
      for (let at = 0; at < text.length; at += size)
        lines.push(...splitter.push(text.subarray(at, at + size)).lines.map(String));
      expect(lines).to.deep.equal(['one', '', 'two é']);
    }
  });

  it('takes a line of exactly the limit, and none longer', () => {
    const whole = new LineSplitter(4).push(Buffer.from('1234\n'));
    expect(whole).to.deep.equal({ lines: [Buffer.from('1234')], overlong: false });
    const longer = new LineSplitter(4).push(Buffer.from('ok\n12345'));
    expect(longer).to.deep.equal({ lines: [Buffer.from('ok')], overlong: true });
    const slow = new LineSplitter(4);
    expect(slow.push(Buffer.from('123'))).to.deep.equal({ lines: [], overlong: false });
    expect(slow.push(Buffer.from('45'))).to.deep.equal({ lines: [], overlong: true });
  });
});

describe('control socket', () => {
  const path = temporaryFolder();
  let server: ControlServer | undefined;
  let stranger: Server | undefined;
  let underWay = 0;
  let mostUnderWay = 0;

  const handlers: ControlHandlers = {
    'mode.get': async () => {
      mostUnderWay = Math.max(mostUnderWay, ++underWay);
      await sleep(2);
      underWay--;
      return { mode: 'openssl' };
    },
    'mapping.get': ({ pod }) =>
      pod === 'nginx-pod'
        ? Promise.resolve({ pod, node: 'node-a', addresses: ['10.77.0.1'] })
        : Promise.reject(new NotFoundError(`no pod ${pod} in the mapping`)),
    'mapping.list': () =>
      Promise.resolve(
        Array.from({ length: 50_000 }, (_, i) => ({ pod: `pod-${i}`, node: 'node-a', addresses: ['10.77.0.1'] })),
      ),
    status: () => Promise.reject(new Error('the handler itself is broken')),
    flows: () => Promise.resolve([{ cookie: 1n }] as never),
  };

  async function start(
    options: { path?: string; takeOver?: boolean; idleMs?: number; maxConnections?: number } = {},
  ): Promise<string> {
    server = await startControlServer({ path: path('run', 'control.sock'), handlers, ...options });
    return server.path;
  }

  afterEach(async () => {
    await server?.close();
    server = undefined;
    stranger?.close();
    stranger = undefined;
  });

  it('is 0600 in a folder of 0700, and gone afterwards', async () => {
    const socket = await start();
    expect((statSync(socket).mode & 0o777).toString(8)).to.equal('600');
    expect((statSync(path('run')).mode & 0o777).toString(8)).to.equal('700');
    await server?.close();
    server = undefined;
    expect(existsSync(socket)).to.equal(false);
  });

  it('says that it is not ready until it has somebody to ask, and takes the socket away at the end of its process', async () => {
    server = await startControlServer({ path: path('run', 'control.sock') });
    const asking = controlRequest(server.path, 'mode.get', {});
    expect(await rejected(TlshubError, asking)).to.include({ code: 'TLSHUB_NOT_READY' });
    server.serve(handlers);
    expect(await controlRequest(server.path, 'mode.get', {})).to.deep.equal({ mode: 'openssl' });
    server.unlink();
    expect(existsSync(server.path)).to.equal(false);
  });

  it('answers, and passes the coded errors of handlers on', async () => {
    const socket = await start();
    expect(await controlRequest(socket, 'mode.get', {})).to.deep.equal({ mode: 'openssl' });
    expect(await controlRequest(socket, 'mapping.get', { pod: 'nginx-pod' })).to.deep.include({ node: 'node-a' });
    const missing = await rejected(TlshubError, controlRequest(socket, 'mapping.get', { pod: 'x' }));
    expect(missing).to.include({ code: 'TLSHUB_NOT_FOUND', exitCode: 1, message: 'no pod x in the mapping' });
    const broken = await rejected(TlshubError, controlRequest(socket, 'status', {}));
    expect(broken).to.include({ code: 'TLSHUB_INTERNAL', message: 'the handler itself is broken' });
    const unsendable = await rejected(TlshubError, controlRequest(socket, 'flows', {}));
    expect(unsendable.message).to.include('BigInt');
  });

  it('carries long answers', async () => {
    const pods = await controlRequest(await start(), 'mapping.list', {});
    expect(pods).to.have.length(50_000);
    expect(pods[49_999]).to.include({ pod: 'pod-49999' });
  });

  it('matches many requests of one connection, and works on one at a time', async () => {
    const client = await ControlClient.connect(await start());
    mostUnderWay = 0;
    const answers = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) =>
        i % 2 === 0 ? client.request('mode.get', {}) : client.request('mapping.get', { pod: `p${i}` }),
      ),
    );
    client.close();
    answers.forEach((answer, i) => {
      if (i % 2 === 0) expect(answer).to.deep.include({ status: 'fulfilled', value: { mode: 'openssl' } });
      else expect((answer as PromiseRejectedResult).reason).to.include({ message: `no pod p${i} in the mapping` });
    });
    expect(mostUnderWay).to.equal(1);
    expect((await rejected(ControlError, client.request('mode.get', {}))).message).to.include('closed');
  });

  it('keeps the connection for a wrong operation or wrong arguments', async () => {
    const socket = await start();
    const requests = [
      { v: 1, id: 1, op: 'no.such' },
      { v: 1, id: 2, op: 'toString' },
      { v: 1, id: 3, op: 'mapping.get', args: {} },
      { v: 1, id: 4, op: 'mapping.get', args: { pod: 7 } },
      { v: 1, id: 5, op: 'mode.get', args: { extra: 1 } },
      { v: 1, id: 6, op: 'mode.get' },
    ];
    const { answers } = await raw(socket, requests.map((request) => `${JSON.stringify(request)}\n`).join(''), 6);
    expect(answers.map(({ id }) => id)).to.deep.equal([1, 2, 3, 4, 5, 6]);
    expect(answers.map(({ error }) => (error as { code: string } | undefined)?.code)).to.deep.equal([
      'TLSHUB_CONTROL_UNKNOWN_OP',
      'TLSHUB_CONTROL_UNKNOWN_OP',
      'TLSHUB_CONTROL_BAD_ARGS',
      'TLSHUB_CONTROL_BAD_ARGS',
      'TLSHUB_CONTROL_BAD_ARGS',
      undefined,
    ]);
  });

  it('answers what is no request with an error, and closes', async () => {
    const socket = await start();
    const lines = [
      '',
      'hello',
      '[]',
      '7',
      'null',
      '{}',
      '{"v":2,"id":1,"op":"mode.get"}',
      '{"v":1,"op":"mode.get"}',
      '{"v":1,"id":-1,"op":"x"}',
    ];
    for (const line of [
      ...lines,
      '{"v":1,"id":1}',
      '{"v":1,"id":1,"op":"mode.get","args":[]}',
      '{"v":1,"id":"1","op":"mode.get"}',
    ]) {
      const { answers, closed } = await raw(socket, `${line}\n{"v":1,"id":9,"op":"mode.get"}\n`);
      expect(closed, line).to.equal(true);
      expect(answers, line).to.have.length(1);
      expect(answers[0], line).to.deep.include({ v: 1, id: null, ok: false });
      expect(answers[0]!['error']).to.include({ code: 'TLSHUB_CONTROL_PROTOCOL' });
    }
  });

  it('bounds the length of a request', async () => {
    const socket = await start();
    const { answers, closed } = await raw(socket, Buffer.alloc(MAX_REQUEST_BYTES + 1, 'x'));
    expect(closed).to.equal(true);
    expect((answers[0]!['error'] as { message: string }).message).to.include('longer than 65536 bytes');
    const padded = `{"v":1,"id":1,"op":"mode.get"}${' '.repeat(MAX_REQUEST_BYTES - 30)}\n`;
    expect((await raw(socket, padded, 1)).answers[0]).to.include({ ok: true });
  });

  it('names the byte, the field or the argument that is wrong', async () => {
    const socket = await start();
    const request = '{"v":1,"id":1,"op":"mode.get"}';
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    const cases: [string | Buffer, RegExp][] = [
      ['hello', /not JSON: byte 0$/],
      ['{"v":1,"id":01}', /not JSON: byte 13$/],
      ['{"é":1,}', /not JSON: byte 8$/],
      ['{"v":1', /not JSON: it ends too early, after byte 6$/],
      [Buffer.from('{"v":1,"op":"\xff"}', 'latin1'), /not UTF-8 text: byte 13$/],
      [`{"v":${deep},"id":1}`, /version a list; this is version 1$/],
      ['{"v":1,"id":1.5}', /has no id/],
      ['{"v":1,"id":1,"op":null}', /has no op/],
      ['{"v":1,"id":1,"op":"flows","args":7}', /has args that are not an object/],
      ['{"v":1,"id":1,"op":"mapping.get","args":{"pod":"x","nod":1}}', /takes no argument "nod"$/],
      ['{"v":1,"id":1,"op":"flows","args":{"states":["open"]}}', /wants "states", a list of/],
    ];
    for (const [line, message] of cases) {
      const { answers } = await raw(socket, Buffer.concat([Buffer.from(line), Buffer.from('\n')]), 1);
      expect((answers[0]!['error'] as { message: string }).message).to.match(message);
    }
    const cut = new Promise((resolve) => {
      const client = createConnection(socket, () => client.end(request));
      client.once('data', (chunk) => resolve(JSON.parse(chunk.toString())));
    });
    expect(await cut)
      .to.have.nested.property('error.message')
      .that.match(/no newline .* after byte 30$/);
  });

  it('loses no answer to a client that reads late and then sends nonsense', async () => {
    const socket = await start();
    // So many small answers that the kernel has no room for all of them: the last ones wait in the server.
    for (const count of [350, 500]) {
      const client = createConnection(socket);
      await new Promise((resolve) => client.once('connect', resolve));
      client
        .pause()
        .write(`${'{"v":1,"id":1,"op":"none"}\n'.repeat(count)}nonsense\n${'more nonsense\n'.repeat(1000)}`);
      await sleep(100);
      let text = '';
      for await (const chunk of client as AsyncIterable<Buffer>) text += chunk.toString();
      const answers = text.split('\n').filter(Boolean);
      expect(answers).to.have.length(count + 1);
      expect(JSON.parse(answers[count]!)).to.have.nested.property('error.code', 'TLSHUB_CONTROL_PROTOCOL');
    }
  });

  it('closes connections that are silent or too many', async () => {
    const socket = await start({ idleMs: 40, maxConnections: 2 });
    const idle = createConnection(socket);
    const closed = new Promise((resolve) => idle.resume().once('close', resolve));
    await new Promise((resolve) => idle.once('connect', resolve));
    const started = Date.now();
    await closed;
    expect(Date.now() - started).to.be.within(20, 2000);

    const held = [createConnection(socket), createConnection(socket)];
    await Promise.all(held.map((connection) => new Promise((resolve) => connection.once('connect', resolve))));
    await rejected(TlshubError, controlRequest(socket, 'mode.get', {}));
    held.forEach((connection) => connection.destroy());
  });

  it('replaces the socket of a dead supervisor', async () => {
    const file = path('dead', 'control.sock');
    mkdirSync(path('dead'), { mode: 0o700 });
    const script = `require('net').createServer().listen(${JSON.stringify(file)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect(statSync(file).isSocket()).to.equal(true);
    expect((await rejected(ControlError, controlRequest(file, 'mode.get', {}))).message).to.include('nobody listens');
    await start({ path: file });
    expect(await controlRequest(file, 'mode.get', {})).to.deep.equal({ mode: 'openssl' });
  });

  it('does not push a living supervisor aside, unless it is to take over', async () => {
    const socket = await start();
    const first = server!;
    const error = await rejected(ControlError, start());
    expect(error).to.include({ code: 'TLSHUB_CONTROL_SOCKET', exitCode: 78 });
    expect(error.message).to.include('another supervisor answers');
    expect(await controlRequest(socket, 'mode.get', {})).to.deep.equal({ mode: 'openssl' });

    await start({ takeOver: true });
    await first.close();
    expect(await controlRequest(socket, 'mode.get', {})).to.deep.equal({ mode: 'openssl' });
  });

  it('refuses places where it cannot be safe', async () => {
    mkdirSync(path('open'));
    chmodSync(path('open'), 0o755);
    expect((await rejected(ControlError, start({ path: path('open', 's.sock') }))).message).to.include(
      'open to other users (mode 0755)',
    );
    mkdirSync(path('taken'), { mode: 0o700 });
    writeFileSync(path('taken', 's.sock'), 'precious');
    expect((await rejected(ControlError, start({ path: path('taken', 's.sock') }))).message).to.include('is no socket');
    symlinkSync('/etc/passwd', path('taken', 'l.sock'));
    expect((await rejected(ControlError, start({ path: path('taken', 'l.sock') }))).message).to.include('is no socket');
    expect(await rejected(ControlError, start({ path: path('taken', 's.sock', 'x') }))).to.include({
      code: 'TLSHUB_CONTROL_SOCKET',
    });
    expect(statSync(path('taken', 's.sock')).size).to.equal(8);
  });

  describe('client', () => {
    async function stand(answer: (socket: Socket) => void): Promise<string> {
      const file = path('fake.sock');
      stranger = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => answer(socket));
      });
      await new Promise<void>((resolve) => stranger!.listen(file, resolve));
      return file;
    }

    it('says how to start a supervisor that is not there', async () => {
      const error = await rejected(ControlError, controlRequest(path('none.sock'), 'status', {}));
      expect(error).to.include({ code: 'TLSHUB_CONTROL_UNREACHABLE', exitCode: 1, errno: 'ENOENT' });
      expect(error.remedy).to.include('node dist/supervisor.js');
    });

    it('gives up on a supervisor that does not answer', async () => {
      const file = await stand(() => undefined);
      const error = await rejected(ControlError, controlRequest(file, 'status', {}, { timeoutMs: 30 }));
      expect(error).to.include({ code: 'TLSHUB_CONTROL_TIMEOUT', exitCode: 1 });
    });

    for (const [name, line] of Object.entries({
      'no JSON': 'hello',
      'another version': '{"v":2,"id":1,"ok":true,"result":1}',
      'no result and no error': '{"v":1,"id":1}',
      'an error without a code': '{"v":1,"id":1,"ok":false,"error":{}}',
    })) {
      it(`refuses an answer that is ${name}`, async () => {
        const file = await stand((socket) => socket.write(`${line}\n`));
        expect(await rejected(ControlError, controlRequest(file, 'status', {}))).to.include({
          code: 'TLSHUB_CONTROL_PROTOCOL',
        });
      });
    }

    it('notices that the supervisor went away', async () => {
      const file = await stand((socket) => socket.end('{"v":1,'));
      expect((await rejected(ControlError, controlRequest(file, 'status', {}))).message).to.include(
        'closed the connection',
      );
    });
  });
});
