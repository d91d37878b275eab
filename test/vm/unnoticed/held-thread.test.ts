// SPDX-License-Identifier: Apache-2.0
/** What others do to a process, and its own other threads, while one thread of it is held: as while it waits in read(). */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor, type Program, type Result } from '../harness/index.js';
import { detailedFlows } from '../harness/mutual-tls.js';
import { PEER, Peer, step } from '../harness/peer.js';
import { SECRET } from '../harness/wire.js';
import { B, inThePatientLab, lateServer, SHELL_PROMPT, terminal, withoutStops } from './support.js';

const WORKSHOP = resolve('build/programs/workshop');
const WORKERS = 50;
const PATIENCE = 30_000;
let port = 7600;

async function untilHeld({ pid }: Program): Promise<void> {
  const isHeld = async (): Promise<boolean> =>
    (await lab.flows('a')).some((flow) => flow.pid === pid && flow.hold === 'sleep');
  await waitFor(isHeld, PATIENCE, `process ${pid} to be held`);
}

/** In `describe`: a program of many threads, one of them held, new for each test. */
function inTheWorkshop(): { program: () => Program; server: () => Program } {
  let server: Program;
  let program: Program;
  beforeEach(async () => {
    server = await lateServer(++port);
    program = lab.spawn('a', [WORKSHOP, B, String(port), String(WORKERS)]);
    await untilHeld(program);
  });
  afterEach(async () => {
    await program.stop();
    await server.stop();
  });
  return { program: () => program, server: () => server };
}

/** Tells the program something that ends it, and how it ended, long before the connection would be given up. */
async function endOf(program: Program, signal: NodeJS.Signals): Promise<Pick<Result, 'code' | 'signal' | 'stdout'>> {
  program.kill(signal);
  await waitFor(
    () => !program.running,
    PATIENCE,
    () => `its end (state ${program.state})`,
  );
  const { code, signal: by, stdout } = await program.ended;
  return { code, signal: by, stdout };
}

describe('while one thread of a program is held', () => {
  inThePatientLab();
  withoutStops();
  const { program, server } = inTheWorkshop();

  it(`${WORKERS} others work on, and it forks, starts a program, and has threads begin and end`, async () => {
    const told = ['connected', `${WORKERS} got on`, 'forked 7', 'started 5', 'thread ended'];
    program().kill('SIGUSR1');
    await waitFor(
      () => program().stdout.includes('thread'),
      PATIENCE,
      () => `all that; it said: ${program().stdout}${program().stderr}`,
    );
    expect(program().held, 'held all that time').to.equal(true);
    server().kill('SIGUSR1');
    const { code, stdout, stderr } = await program().ended;
    expect(stdout + stderr).to.equal(`${told.join('\n')}\nanswered hello\n`);
    expect(code).to.equal(0);
  });

  it('another can become another program', async () => {
    expect(await endOf(program(), 'SIGUSR2')).to.deep.equal({ code: 0, signal: null, stdout: 'connected\nreplaced\n' });
  });

  it('another can end it', async () => {
    expect(await endOf(program(), 'SIGHUP')).to.deep.equal({ code: 3, signal: null, stdout: 'connected\n' });
  });

  it('it can be ended by SIGTERM', async () => {
    expect(await endOf(program(), 'SIGTERM')).to.deep.equal({ code: null, signal: 'SIGTERM', stdout: 'connected\n' });
  });
});

describe('a program that is held', () => {
  const FROZEN = '/sys/fs/cgroup/tlshub-lab/a/frozen';
  const calls = [`write:${SECRET}`, 'read', 'close'];
  let server: Program;

  inThePatientLab();
  withoutStops();
  beforeEach(async () => {
    server = await lateServer(++port);
  });
  afterEach(() => server.stop());

  async function heldClient(): Promise<Peer> {
    const client = Peer.start('a', [`connect:${B}:${port}`, ...calls]);
    await client.until('connect');
    await untilHeld(client.program);
    return client;
  }

  /** The server goes on, and so does the client, as if nothing had been. */
  async function expectAnswer(client: Peer): Promise<void> {
    server.kill('SIGUSR1');
    const steps = await client.finish();
    expect(step(steps, 'write')).to.include({ result: SECRET.length, error: '0' });
    expect(step(steps, 'read')).to.include({ error: '0', data: SECRET });
  }

  it('ends at Ctrl-C on its terminal, and the shell knows by what', async () => {
    const { stdout, code } = await terminal([
      [SHELL_PROMPT, `${PEER} connect:${B}:${port} ${calls.join(' ')}\n`],
      ['connect 0 0', '\x03'],
      [SHELL_PROMPT, 'echo status $?\n'],
      ['status 130', ''],
      [SHELL_PROMPT, 'exit\n'],
    ]);
    expect(code, stdout).to.equal(0);
    expect(stdout).to.not.match(/^write /m);
  });

  it('can be traced by strace for a while', async () => {
    const client = await heldClient();
    const strace = lab.spawn('a', ['strace', '-f', '-p', String(client.program.pid)], { outside: true });
    await waitFor(() => strace.stderr.includes('attached'), PATIENCE, 'strace to be there');
    await waitFor(() => client.program.held, PATIENCE, 'the call to be made again');
    await strace.stop('SIGINT');
    expect(strace.stderr).to.include('detached').and.to.not.include('killed');
    await expectAnswer(client);
  });

  it('can be looked at by gdb, which goes again', async () => {
    const client = await heldClient();
    const look = ['gdb', '-nx', '-q', '-batch', '-p', String(client.program.pid), '-ex', 'backtrace', '-ex', 'detach'];
    const { code, stdout, stderr } = await lab.exec('a', look, { outside: true });
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(/^#0 .*\n#1 /m);
    await expectAnswer(client);
  });

  it('can be frozen and thawed with its cgroup, and is not answered in between', async () => {
    const client = await heldClient();
    mkdirSync(FROZEN);
    try {
      writeFileSync(`${FROZEN}/cgroup.procs`, String(client.program.pid));
      writeFileSync(`${FROZEN}/cgroup.freeze`, '1');
      const frozen = (): boolean => readFileSync(`${FROZEN}/cgroup.events`, 'latin1').includes('frozen 1');
      await waitFor(frozen, PATIENCE, 'it to be frozen');
      server.kill('SIGUSR1');
      await waitFor(
        async () => (await detailedFlows('a')).some(({ dport, secured }) => dport === port && secured),
        PATIENCE,
        'its connection to be secured meanwhile',
      );
      await sleep(500);
      expect(client.steps.map(({ op }) => op)).to.deep.equal(['connect']);
      expect(frozen(), 'frozen all the time').to.equal(true);
      writeFileSync(`${FROZEN}/cgroup.freeze`, '0');
      const steps = await client.finish();
      expect(step(steps, 'read')).to.include({ error: '0', data: SECRET });
    } finally {
      execFileSync('sh', ['-c', `echo 1 >${FROZEN}/cgroup.kill`]);
      await client.program.ended;
      rmdirSync(FROZEN);
    }
  });
});
