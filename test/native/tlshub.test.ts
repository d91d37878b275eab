// SPDX-License-Identifier: Apache-2.0
/** The TLSHub client over real netlink sockets, against stand-ins for the module that agree on keys, and that misbehave. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { TlshubError } from '../../src/shared/errors/errors.js';
import { TlshubClient } from '../../src/tlshub/client.js';
import { CLIENT, PROTOCOL, SERVER, connectTo, freshTuple, startPeer, stopAll } from './tlshub-peers.js';

const run = promisify(execFile);

async function codeOf(running: Promise<unknown>): Promise<string> {
  try {
    await running;
  } catch (error) {
    if (error instanceof TlshubError) return error.code;
    throw error;
  }
  return 'none: it succeeded';
}

describe('the TLSHub client', function () {
  this.timeout(30_000);
  afterEach(stopAll);

  const pair = async (...options: string[]): Promise<[TlshubClient, TlshubClient]> => {
    const [a, b] = await Promise.all([startPeer(CLIENT, ...options), startPeer(SERVER, ...options)]);
    return [connectTo(a), connectTo(b)];
  };
  const alone = async (options: string[], client = {}): Promise<TlshubClient> =>
    connectTo(await startPeer(CLIENT, ...options.flatMap((what) => ['--misbehave', what])), client);

  it('fetch, failure, handshake, fetch: both nodes get the same key', async () => {
    const [client, server] = await pair();
    await Promise.all([client.init(), server.init()]);
    const tuple = freshTuple();
    expect(await client.fetchKey(tuple)).to.deep.equal({ status: 'none' });
    expect(await server.fetchKey(tuple, { server: true })).to.deep.equal({ status: 'none' });
    expect(await client.handshake(tuple)).to.deep.equal({ status: 'first' });
    const [one, other] = await Promise.all([client.fetchKey(tuple), server.fetchKey(tuple, { server: true })]);
    expect(one.status).to.equal('ok');
    expect(one).to.deep.equal(other);
    expect(one).to.have.property('masterKey').with.length(32);
    expect(await client.handshake(tuple)).to.deep.equal({ status: 'already-connected' });
    const another = freshTuple();
    expect(await client.handshake(another)).to.deep.equal({ status: 'done' });
    expect(await client.fetchKey(another)).to.not.deep.equal(one);
  });

  it('says when a key has expired; a new handshake gives another', async () => {
    const [client, server] = await pair('--lifetime', '300');
    const tuple = freshTuple();
    await client.handshake(tuple);
    const first = await client.fetchKey(tuple);
    expect(first.status).to.equal('ok');
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(await client.fetchKey(tuple)).to.deep.equal({ status: 'expired' });
    expect(await server.fetchKey(tuple)).to.deep.equal({ status: 'expired' });
    expect((await client.handshake(tuple)).status).to.equal('done');
    const second = await client.fetchKey(tuple);
    expect(second.status).to.equal('ok');
    expect(second).to.not.deep.equal(first);
  });

  it('many at once, each gets its own key', async () => {
    const [client, server] = await pair('--echo-sequence');
    const keys = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const tuple = freshTuple();
        await client.handshake(tuple);
        const [one, other] = await Promise.all([client.fetchKey(tuple), server.fetchKey(tuple)]);
        expect(one).to.deep.equal(other);
        return one.status === 'ok' ? Buffer.from(one.masterKey).toString('hex') : one.status;
      }),
    );
    expect(new Set(keys).size).to.equal(200);
    expect(client.statistics()).to.include({ inFlight: 0, opened: 4, lost: 0, stray: 0 });
  });

  it('reports a handshake that fails, in the words of the module', async () => {
    const failing = connectTo(await startPeer('127.7.7.3', '--misbehave', 'fail'));
    expect(await failing.handshake(freshTuple())).to.deep.equal({ status: 'failed', message: 'told to fail' });
    // Nobody is on the other node.
    const lonely = await alone([]);
    expect(await lonely.handshake(freshTuple())).to.deep.equal({
      status: 'failed',
      message: 'the other node does not answer',
    });
  });

  it('passes log lines on, whenever they come', async () => {
    const lines: string[] = [];
    const client = await alone(['logs=3'], { onLog: (line: string) => lines.push(line) });
    await client.init();
    expect(await client.fetchKey(freshTuple())).to.deep.equal({ status: 'none' });
    expect(lines).to.deep.equal([1, 2, 3, 1, 2, 3].map((number) => `log line ${number}`));
  });

  it('never takes a late answer for that of another request', async () => {
    const [a, b] = await Promise.all([startPeer(CLIENT, '--misbehave', 'late=150'), startPeer(SERVER)]);
    const client = connectTo(a, { sockets: 2 });
    const tuple = freshTuple();
    await client.handshake(tuple);
    const key = await client.fetchKey(tuple);
    expect(key.status).to.equal('ok');
    for (let i = 0; i < 5; i++) {
      // Each would be answered with the key, after it has been given up.
      expect(await codeOf(client.fetchKey(tuple, { timeoutMs: 20 }))).to.equal('TLSHUB_MODULE_TIMEOUT');
      expect(await client.fetchKey(freshTuple())).to.deep.equal({ status: 'none' });
    }
    expect(client.statistics().opened).to.be.greaterThan(5);
    await b.stop();
  });

  for (const what of ['short=16', 'short=17', 'short=20', 'short=10', 'cut=40', 'cut=3', 'status=5', 'type=7']) {
    it(`a reply with ${what} is an error`, async () => {
      const client = await alone([what]);
      const code = await codeOf(client.fetchKey(freshTuple()));
      expect(code).to.equal('TLSHUB_MODULE_PROTOCOL');
    });
  }

  it('2,000 random replies are an error each', async function () {
    this.timeout(60_000);
    const client = await alone(['random', 'fail'], { sockets: 8 });
    const codes = await Promise.all(
      Array.from({ length: 2000 }, (_, i) =>
        codeOf(i % 2 === 0 ? client.fetchKey(freshTuple()) : client.handshake(freshTuple())),
      ),
    );
    expect(new Set(codes)).to.deep.equal(new Set(['TLSHUB_MODULE_PROTOCOL']));
  });

  it('a module that says nothing costs a request its time, and a socket', async () => {
    const client = await alone(['silent'], { sockets: 2 });
    expect(await codeOf(client.init({ timeoutMs: 50 }))).to.equal('TLSHUB_MODULE_TIMEOUT');
    expect(client.statistics()).to.include({ inFlight: 0, opened: 1 });
  });

  it('the answer of another port id does not count', async () => {
    const client = await alone(['foreign']);
    expect(await codeOf(client.fetchKey(freshTuple(), { timeoutMs: 200 }))).to.equal('TLSHUB_MODULE_TIMEOUT');
  });

  it('a missing module is a clear error', async () => {
    const client = new TlshubClient();
    const error = await client.init().catch((thrown: unknown) => thrown as TlshubError);
    client.close();
    expect(error).to.be.instanceOf(TlshubError);
    expect(error).to.include({ code: 'TLSHUB_MODULE_MISSING', exitCode: 69 });
    expect(error?.message).to.equal('protocol 31 not served: is the TLSHub module loaded?');
    const peer = await startPeer(CLIENT);
    const orphan = connectTo(peer);
    await orphan.init();
    await peer.stop();
    expect(await codeOf(orphan.fetchKey(freshTuple()))).to.equal('TLSHUB_MODULE_MISSING');
  });

  it('requests can be cancelled, and end when the client is closed', async () => {
    const client = await alone(['silent'], { sockets: 2 });
    const controller = new AbortController();
    const cancelled = codeOf(client.handshake(freshTuple(), { signal: controller.signal }));
    const closed = codeOf(client.fetchKey(freshTuple()));
    const queued = codeOf(client.fetchKey(freshTuple()));
    controller.abort();
    expect(await cancelled).to.equal('TLSHUB_HANDSHAKE_CANCELLED');
    client.close();
    expect([await closed, await queued]).to.deep.equal(Array(2).fill('TLSHUB_HANDSHAKE_CANCELLED'));
    const after = client.fetchKey(freshTuple()).catch((error: unknown) => (error as { code: string }).code);
    expect(await after).to.equal('TLSHUB_CLIENT_CLOSED');
  });

  it('refuses addresses that are not IPv4, and ports that are none', async () => {
    const client = await alone([]);
    expect(await codeOf(client.fetchKey({ ...freshTuple(), clientAddress: 'fd00::1' }))).to.equal('TLSHUB_IPV4_ONLY');
    const thrown = await client.fetchKey({ ...freshTuple(), serverPort: 70_000 }).catch((error: unknown) => error);
    expect(thrown).to.be.instanceOf(TypeError);
  });

  it('tlshub_handshake does three handshakes, and says what is wrong', async () => {
    const [a] = await Promise.all([startPeer(CLIENT), startPeer(SERVER)]);
    const command = ['dist/cli/tlshub_handshake.js', CLIENT, SERVER];
    const { stdout } = await run('node', [...command, '--protocol', String(PROTOCOL), '--port-id', String(a.portId)]);
    const line = (status: string): string => `127\\.7\\.7\\.1:\\d+ -> 127\\.7\\.7\\.2:\\d+: ${status}\n`;
    expect(stdout).to.match(new RegExp(`^${line('first')}${line('done')}${line('done')}$`));
    const missing = await run('node', command).catch((error: unknown) => error as { code: number; stderr: string });
    expect(missing).to.have.property('code', 69);
    expect(missing.stderr).to.include('is the TLSHub module loaded?');
    const usage = await run('node', [...command.slice(0, 2)]).catch((error: unknown) => error);
    expect(usage).to.have.property('code', 64);
  });

  describe('the example of docs/TLSHUB_API.md', () => {
    // Inside the checkout, so that it finds the package by its name as a dependent would.
    const folder = 'build/examples';
    const blocks = (file: string): string[] =>
      [...readFileSync(file, 'utf8').matchAll(/```(?:js|sh)\n([^]*?)```/g)].map(([, code]) => code ?? '');

    after(() => rmSync(folder, { recursive: true, force: true }));

    it('runs', async () => {
      const [a] = await Promise.all([startPeer(CLIENT), startPeer(SERVER)]);
      const [example = ''] = blocks('docs/TLSHUB_API.md');
      mkdirSync(folder, { recursive: true });
      writeFileSync(`${folder}/example.mjs`, example);
      const { stdout } = await run('node', [
        `${folder}/example.mjs`,
        CLIENT,
        SERVER,
        String(PROTOCOL),
        String(a.portId),
      ]);
      expect(stdout).to.equal('handshake: first\nclient to server: key of 16 bytes, iv of 12\n');
    });

    it('is the same in Chinese', () => {
      expect(blocks('docs/zh/TLSHUB_API.md')).to.deep.equal(blocks('docs/TLSHUB_API.md'));
    });
  });
});
