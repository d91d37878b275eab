// SPDX-License-Identifier: Apache-2.0
/** The access log: what a line says, which connections have one, and what becomes of lines that cannot be written. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { LineFile } from '../../src/logging/line-file.js';
import { jsonLine, textLine, type AccessEntry } from '../../src/metrics/access-line.js';
import { AccessLog, type AccessLogSettings } from '../../src/metrics/access-log.js';
import { CgroupPaths } from '../../src/metrics/cgroup-paths.js';
import { FlowClass, type Traffic } from '../../src/shared/kernel/abi.js';
import { World } from '../fakes/dispatcher-world.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { temporaryFolder } from './support/temporary.js';

const over = (sent: number, received: number): Traffic => ({ sent, received, final: true });

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];

let number = 0;

describe('access log', () => {
  const inFolder = temporaryFolder();
  let file: string;
  let settings: AccessLogSettings;
  let accessLog: AccessLog;
  let world: World;
  let random: number;
  beforeEach(() => {
    file = inFolder(`access-${number++}.log`);
    settings = { destination: file, format: 'json', percent: 100 };
    random = 0.5;
    accessLog = new AccessLog({
      settings: () => settings,
      node: () => 'a',
      podOf: () => 'shop/web-1',
      log: memoryLogger().log,
      cgroups: new CgroupPaths(() => ({ id: 1n, path: '/kubepods/pod1' })),
      random: () => random,
    });
    world = new World({ observer: accessLog });
  });
  afterEach(async () => {
    world.dispatcher.close();
    await accessLog.close();
  });

  /** What was written until now. */
  async function entries(): Promise<AccessEntry[]> {
    await accessLog.close();
    return linesOf(file).map((line) => JSON.parse(line) as AccessEntry);
  }

  async function secure(cookie: bigint): Promise<void> {
    world.event('ESTABLISHED', { cookie });
    await world.succeed(world.provider.pending.pop()!);
  }

  it('says of a secured connection who, where to, how, how much and for how long', async () => {
    await secure(1n);
    world.event('CLOSED', { traffic: over(70, 4096) });
    const [entry, ...more] = await entries();
    expect(more).to.deep.equal([]);
    expect(entry).to.include({
      level: 'info',
      scope: 'access',
      message: 'connection complete',
      'src.addr': '10.0.0.1:4711',
      'src.workload': 'shop/web-1',
      'src.node': 'a',
      'src.identity': 'a',
      'dst.addr': '10.0.0.2:80',
      'dst.workload': 'pod-b',
      'dst.node': 'b',
      'dst.identity': 'b',
      direction: 'outbound',
      bytes_sent: 70,
      bytes_recv: 4096,
      outcome: 'secured',
      reason: 'the connection ended',
      provider: 'openssl',
      exchange: 'in-band',
      tls_version: 'TLSv1.3',
      cipher: 'TLS_AES_128_GCM_SHA256',
      negotiation_ms: 3,
      pid: 4242,
      comm: 'curl',
      cgroup: '/kubepods/pod1',
      connection_id: '1',
    });
    expect(entry).to.not.have.any.keys('error', 'code');
    expect(entry!.duration).to.match(/^\d+ms$/);
    expect(entry!.hold_ms).to.be.a('number');
  });

  it('has the side that connected as the source, on the other node too', async () => {
    world.event('ACCEPTED', { role: 'passive' });
    await world.succeed(world.provider.pending.pop()!);
    world.event('CLOSED', { role: 'passive', traffic: over(1, 2) });
    expect((await entries())[0]).to.include({
      ...{ 'src.addr': '10.0.0.2:80', 'src.identity': 'b', 'dst.addr': '10.0.0.1:4711', 'dst.identity': 'a' },
      ...{ direction: 'inbound', bytes_sent: 1, bytes_recv: 2 },
    });
  });

  it('has a line for one that was refused, with the code, and proves nobody', async () => {
    world.event('ESTABLISHED');
    await world.fail(world.provider.pending.pop()!, 'TLSHUB_PEER_CERTIFICATE');
    const [entry] = await entries();
    expect(entry).to.include({
      ...{ level: 'error', message: 'connection failed', outcome: 'refused', code: 'TLSHUB_PEER_CERTIFICATE' },
      ...{ bytes_sent: 0, bytes_recv: 0, 'dst.node': 'b' },
    });
    expect(entry!.error).to.match(/^TLSHUB_PEER_CERTIFICATE: /);
    expect(entry).to.not.have.any.keys('src.identity', 'dst.identity');
  });

  it('tells a reset and one that timed out from an end, and plaintext from secured', async () => {
    await secure(1n);
    world.event('CLOSED', { traffic: over(1, 1), refs: 104 });
    await secure(2n);
    world.event('CLOSED', { cookie: 2n, traffic: over(1, 1), refs: 110 });
    world.event('ESTABLISHED', { cookie: 3n, class: FlowClass.PLAINTEXT });
    world.event('CLOSED', { cookie: 3n, class: FlowClass.PLAINTEXT, traffic: over(1, 1) });
    const found = await entries();
    expect(found.map(({ outcome }) => outcome)).to.deep.equal(['secured', 'secured', 'plaintext']);
    expect(found.map(({ error }) => error)).to.deep.equal([
      'connection reset by peer (ECONNRESET)',
      'connection timed out (ETIMEDOUT)',
      undefined,
    ]);
  });

  it('waits for what a program reads after the end, also when the flow has left the table', async () => {
    world.dispatcher.close();
    world = new World({ observer: accessLog, flowsKept: 0 });
    await secure(1n);
    world.event('CLOSED', { traffic: { sent: 5, received: 10, final: false } });
    world.event('RELEASED', { traffic: over(5, 1000) });
    await secure(2n);
    world.event('CLOSED', { cookie: 2n, traffic: { sent: 5, received: 10, final: false } });
    const found = await entries();
    expect(found.map(({ bytes_recv: received }) => received)).to.deep.equal([1000, 10]);
  });

  it('samples those that went well, and none of the others', async () => {
    settings.percent = 30;
    for (const [cookie, chance] of [
      [1n, 0.29],
      [2n, 0.31],
    ] as const) {
      random = chance;
      await secure(cookie);
      world.event('CLOSED', { cookie, traffic: over(1, 1) });
    }
    world.event('REFUSED', { cookie: 3n, class: FlowClass.REFUSED, reason: 4 });
    await secure(4n);
    world.event('CLOSED', { cookie: 4n, traffic: over(1, 1), refs: 104 });
    const ids = (await entries()).map(({ connection_id: id }) => id);
    expect(ids).to.have.members(['1', '3', '4']);
  });

  it('goes elsewhere, stops and begins as the settings say', async () => {
    await secure(1n);
    world.event('CLOSED', { traffic: over(1, 1) });
    settings.destination = `${file}.2`;
    accessLog.follow();
    await secure(2n);
    world.event('CLOSED', { cookie: 2n, traffic: over(1, 1) });
    await until(() => accessLog.report()?.written === 2);
    settings.destination = '';
    accessLog.follow();
    expect(accessLog.report()).to.equal(null);
    await secure(3n);
    world.event('CLOSED', { cookie: 3n, traffic: over(1, 1) });
    expect([linesOf(file).length, linesOf(`${file}.2`).length]).to.deep.equal([1, 1]);
  });

  it('as text has the same fields, and no text of a program can make another line or field of it', () => {
    const entry = { time: 't', level: 'info', scope: 'access', message: 'connection complete' };
    const more = { 'src.addr': '[fd00::1]:80', comm: 'a b\n" pid=1', bytes_sent: 3, error: undefined, duration: '7ms' };
    expect(textLine({ ...entry, ...more })).to.equal(
      't\tinfo\taccess\tconnection complete\tsrc.addr=[fd00::1]:80 comm="a b\\n\\" pid=1" bytes_sent=3 duration=7ms',
    );
    expect(jsonLine({ ...entry, ...more }).split('\n')).to.have.length(1);
  });
});

describe('a file of lines', () => {
  const inFolder = temporaryFolder();
  let folder: string;
  let file: string;
  let lines: LineFile;
  beforeEach(() => {
    folder = inFolder(`${number++}`);
    mkdirSync(folder);
    file = join(folder, 'lines');
  });
  afterEach(() => lines.close());

  it('goes on after what is there, for its owner and group alone', async () => {
    lines = new LineFile(file);
    lines.write('one');
    await lines.close();
    lines = new LineFile(file);
    lines.write('two');
    await lines.close();
    expect(linesOf(file)).to.deep.equal(['one', 'two']);
    expect(statSync(file).mode & 0o007).to.equal(0);
  });

  it('is opened anew when it is told to, and when it has been moved away or deleted', async () => {
    lines = new LineFile(file);
    lines.write('one');
    await until(() => lines.figures.written === 1);
    renameSync(file, `${file}.1`);
    lines.reopen();
    lines.write('two');
    await until(() => lines.figures.written === 2);
    renameSync(file, `${file}.2`);
    lines.look();
    await until(() => existsSync(file));
    lines.write('three');
    await until(() => lines.figures.written === 3);
    expect([linesOf(`${file}.1`), linesOf(`${file}.2`), linesOf(file)]).to.deep.equal([['one'], ['two'], ['three']]);
    rmSync(file);
    lines.look();
    await until(() => existsSync(file));
  });

  it('keeps lines while it cannot be written, drops and counts what finds no room, and tries again', async () => {
    const inside = join(folder, 'later', 'lines');
    lines = new LineFile(inside, 10);
    for (const line of ['1234', '1234', 'dropped']) lines.write(line);
    await until(() => lines.figures.error !== null);
    expect(lines.figures).to.deep.include({ written: 0, dropped: 1 });
    expect(lines.figures.error).to.include({ errno: 'ENOENT' });
    mkdirSync(join(folder, 'later'));
    lines.look();
    await until(() => lines.figures.written === 2);
    expect(lines.figures).to.deep.equal({ written: 2, dropped: 1, error: null });
    expect(linesOf(inside)).to.deep.equal(['1234', '1234']);
  });

  it('is no device and no FIFO, which could keep the process waiting, and counts what is lost at the end', async () => {
    spawnSync('mkfifo', [`${file}.fifo`]);
    symlinkSync('/dev/full', `${file}.device`);
    for (const name of [`${file}.fifo`, `${file}.device`]) {
      lines = new LineFile(name);
      lines.write('one');
      await until(() => lines.figures.error !== null);
      expect(lines.figures.error!.message).to.match(/ENXIO|not a regular file/);
      await lines.close();
      expect(lines.figures).to.deep.include({ written: 0, dropped: 1 });
    }
  });

  it('to a stream that nobody reads waits in the buffer, and does not keep the process', () => {
    // The shell's reader never reads; more than a pipe holds (64 KiB, pipe(7)) is written.
    const program = `
      import { LineFile } from ${JSON.stringify(join(process.cwd(), 'build/src/logging/line-file.js'))};
      const lines = new LineFile('stdout');
      for (let n = 0; n < 3000; n++) lines.write('x'.repeat(1000));
      setTimeout(async () => { await lines.close(); process.stderr.write(JSON.stringify(lines.figures)); process.exit(0); }, 100);`;
    const ran = spawnSync('sh', ['-c', `node --input-type=module -e "$PROGRAM" | sleep 4`], {
      env: { ...process.env, PROGRAM: program },
      encoding: 'utf8',
      timeout: 60_000,
    });
    const figures = JSON.parse(ran.stderr) as { written: number; dropped: number; error: unknown };
    expect(figures.error).to.equal(null);
    expect(figures.written + figures.dropped).to.equal(3000);
    expect(figures.dropped).to.be.greaterThan(1000);
  }).timeout(60_000);
});
