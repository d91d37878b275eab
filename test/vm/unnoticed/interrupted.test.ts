// SPDX-License-Identifier: Apache-2.0
/** A call that is held is interrupted by what interrupts a call that waits, and by nothing else; and nobody else's call is interrupted. */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor, type Program } from '../harness/index.js';
import { PEER, Peer, step } from '../harness/peer.js';
import { SECRET } from '../harness/wire.js';
import {
  B,
  inThePatientLab,
  lateServer,
  onMeshAndPlain,
  redis,
  SHELL_PROMPT,
  terminal,
  withoutStops,
} from './support.js';

const REDIS = 7110;
/** And those behind it: each test has its own. */
const LATE = 7160;
const BYSTANDERS = resolve('build/programs/bystanders');
const CONNECTIONS = 10;
const PATIENCE = 20_000;

describe('while one thread is held', () => {
  inThePatientLab();
  withoutStops();

  it(`no call of the others is interrupted, in ${CONNECTIONS} connections`, async () => {
    await redis(REDIS);
    const { mesh, plain } = await onMeshAndPlain((host) => [BYSTANDERS, host, String(REDIS), String(CONNECTIONS)]);
    const none = { recv: 0, accept: 0, epoll_wait: 0, semop: 0, sigwaitinfo: 0 };
    for (const { code, stdout, stderr } of [plain, mesh]) {
      expect(code, stderr).to.equal(0);
      expect(JSON.parse(stdout)).to.deep.equal(none);
    }
    const flows = (await lab.flows('a')).filter(({ dport }) => dport === REDIS);
    expect(flows.filter(({ hold }) => hold === 'sleep').length).to.equal(CONNECTIONS + 1);
  });
});

describe('a call that is held', () => {
  inThePatientLab();
  withoutStops();

  /** A client of a server that has not accepted, when it is held. */
  async function heldClient(port: number, prepare: string[], calls: string[]): Promise<Peer> {
    const peer = Peer.start('a', [`connect:${B}:${port}`, ...prepare, ...calls]);
    await peer.until('connect');
    await untilHeld(peer.program);
    return peer;
  }

  async function untilHeld({ pid }: Program): Promise<void> {
    const isHeld = async (): Promise<boolean> =>
      (await lab.flows('a')).some((flow) => flow.pid === pid && flow.hold === 'sleep');
    await waitFor(isHeld, PATIENCE, `process ${pid} to be held`);
  }

  const exchange = [`write:${SECRET}`, 'read', 'close'];
  let port = LATE;
  let server: Program;
  beforeEach(async () => {
    server = await lateServer(++port);
  });
  afterEach(() => server.stop());

  it('goes on after a signal whose handler has SA_RESTART', async () => {
    const client = await heldClient(port, ['handle:restart'], [`write:${SECRET}`, 'handled', 'read', 'close']);
    client.program.kill('SIGUSR1');
    server.kill('SIGUSR1');
    const steps = await client.finish();
    expect(step(steps, 'write')).to.include({ result: SECRET.length, error: '0' });
    expect(step(steps, 'handled').result).to.equal(1);
    expect(step(steps, 'read').data).to.equal(SECRET);
  });

  for (const call of ['write', 'read', 'send', 'recv']) {
    it(`${call}: says EINTR after one whose handler has not, and nothing is lost`, async () => {
      const client = await heldClient(port, ['handle'], [`${call}:1`, ...exchange]);
      client.program.kill('SIGUSR1');
      expect(await client.until(call)).to.include({ result: -1, error: 'EINTR' });
      server.kill('SIGUSR1');
      expect(step(await client.finish(), 'read', call === 'read' ? 2 : 1).data).to.equal(SECRET);
    });
  }

  for (const [option, call] of [
    ['receive-timeout', 'recv'],
    ['receive-timeout', 'read'],
    ['send-timeout', 'send'],
  ] as const) {
    it(`${call}: says EAGAIN when the socket's ${option} is over`, async () => {
      const client = Peer.start('a', [
        ...[`connect:${B}:${port}`, `${option}:300`, `once:${call}:1`],
        ...[`${option}:0`, ...exchange],
      ]);
      expect(await client.until(call)).to.include({ result: -1, error: 'EAGAIN' });
      server.kill('SIGUSR1');
      expect(step(await client.finish(), 'read', call === 'read' ? 2 : 1).data).to.equal(SECRET);
    });
  }

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    it(`ends with its program at ${signal}`, async () => {
      const client = await heldClient(port, [], exchange);
      client.program.kill(signal);
      // Long before the agent would give the connection up.
      await waitFor(() => !client.program.running, PATIENCE, `the end of the client (state ${client.program.state})`);
      expect((await client.program.ended).signal).to.equal(signal);
      expect(client.steps.map(({ op }) => op)).to.deep.equal(['connect']);
    });
  }

  it('stops at Ctrl-Z and goes on by fg', async () => {
    const command = `${PEER} connect:${B}:${port} ${exchange.join(' ')}`;
    const { stdout, code } = await terminal([
      [SHELL_PROMPT, `${command}\n`],
      ['connect 0 0', '\x1a'],
      ['Stopped', `kill -USR1 ${server.pid}; fg\n`],
      [`read ${SECRET.length} 0 0 ${SECRET}`, ''],
      [SHELL_PROMPT, 'exit\n'],
    ]);
    expect(code, stdout).to.equal(0);
    const [flow] = (await lab.flows('a')).filter(({ dport }) => dport === port);
    expect(flow).to.include({ hold: 'sleep', secured: true });
  });
});
