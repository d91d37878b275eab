// SPDX-License-Identifier: Apache-2.0
/**
 * Callers sleep in front of the gate while the agent dies and the next one puts a gate of its own in its place. Awake, they go on into the gate
 * that was there when they fell asleep: if the kernel had freed that meanwhile, it would end here. Or the kernel leaves it out, and then nobody has
 * seen that they were let go: the egress guard would keep their bytes.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { A, B, TALKER, UNHURRIED, heldCallers } from '../death/support.js';
import { lab, waitFor, type Program } from '../harness/index.js';
import { holdSleeps } from './support.js';

const PORTS = [7401, 7402, 7403, 7404];
const LATE_PORT = 7400;
const MANY_PORT = 7405;
/** More than an agent begins handshakes with at once: an earlier agent's cannot be gone on with. */
const CALLERS = 12;
const BEGUN = 4;
/** test/programs/callers.c */
const MANY = resolve('build/programs/callers');
const MANY_CALLERS = 200;
const PATIENCE = 60_000;
const RETIRED = '/sys/fs/bpf/tlshub-lab-a/retired';
/** Much longer than the kernel takes to free a program that it thinks nobody is in. */
const FREED_MS = 3000;

const SERVER = `
import socket, sys
listener = socket.create_server(('0.0.0.0', int(sys.argv[1])))
one, _ = listener.accept()
print('accepted', flush=True)
try:
    print('had', one.recv(1))
except OSError as error:
    print('ended', error)
`;

const SILENT = `
import socket, sys, time
kept = [socket.create_connection((sys.argv[1], int(port))) for port in sys.argv[2:]]
time.sleep(1000)
`;

const CLIENT = `
import socket, sys
one = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print('connected', flush=True)
try:
    one.send(b'x')
    print('had', one.recv(1))
except OSError as error:
    print('ended', error)
`;

describe('callers that sleep while the gate is replaced', () => {
  const python = (...args: string[]): string[] => ['/usr/bin/python3', '-c', ...args];
  const said = (programs: readonly Program[]): string =>
    JSON.stringify(programs.map(({ stdout, stderr, held }) => `${stdout}${stderr}${held ? '(held)' : ''}`));
  const allAsleep = (programs: readonly Program[], word: string): Promise<unknown> =>
    waitFor(
      () => programs.every(({ stdout, held }) => stdout === `${word}\n` && held),
      PATIENCE,
      () => `all of them to sleep: ${said(programs)}`,
    );
  const allEnd = (programs: readonly Program[]): Promise<unknown> =>
    waitFor(
      () => programs.every(({ running }) => !running),
      PATIENCE,
      () => `the end of all: ${said(programs)}`,
    );

  before(async function () {
    this.timeout(240_000);
    // Nobody is to end them in between: neither the gate for want of an agent, nor the guardian.
    await lab.up({ set: { ...UNHURRIED, lease_ms: 60_000, guardian_grace_ms: 120_000 } });
    if (!(await holdSleeps())) this.skip();
  });
  after(() => lab.down());

  it('wake in the gate that they fell asleep in, which is there as long as it takes', async function () {
    this.timeout(300_000);
    const servers = PORTS.map((port) => lab.spawn('a', python(SERVER, `${port}`)));
    for (const [i, port] of PORTS.entries()) await servers[i]?.listening(port);
    const silent = lab.spawn('b', python(SILENT, A, ...PORTS.map(String)), { outside: true });
    await allAsleep(servers, 'accepted');

    await lab.kill('a');
    await lab.restart('a');
    await sleep(FREED_MS);
    // Each wakes for a moment now and then, to look by itself.
    await allAsleep(servers, 'accepted');
    const kept = existsSync(RETIRED);

    await silent.stop('SIGKILL');
    await allEnd(servers);
    // As on plain TCP.
    for (const server of servers) expect((await server.ended).stdout).to.equal("accepted\nhad b''\n");
    expect(kept, 'what they slept in front of was pinned').to.equal(true);
    await waitFor(() => !existsSync(RETIRED), PATIENCE, 'the old gate to go, now that nobody is in front of it');
    expect((await lab.status('a')).ready).to.equal(true);
  });

  it('and their bytes arrive when the next agent has secured their connections', async function () {
    this.timeout(300_000);
    const server = lab.spawn('b', [TALKER, 'late', `${LATE_PORT}`]);
    await server.listening(LATE_PORT);
    const callers = Array.from({ length: CALLERS }, () => lab.spawn('a', python(CLIENT, B, `${LATE_PORT}`)));
    await allAsleep(callers, 'connected');

    await lab.kill('a');
    await lab.restart('a');
    await sleep(FREED_MS);
    server.kill('SIGUSR1');
    await allEnd(callers);
    const served = callers.filter(({ stdout }) => stdout === "connected\nhad b'x'\n");
    expect(served.length, said(callers)).to.be.at.least(CALLERS - BEGUN);
    expect((await lab.status('a')).gate.egressDrops, 'segments that the egress guard kept').to.equal(0);
    await server.stop();
  });

  it(`and of ${MANY_CALLERS} all are served by the next agent or refused, and none hangs`, async function () {
    this.timeout(400_000);
    const server = lab.spawn('b', [MANY, 'serve', `${MANY_PORT}`]);
    await server.listening(MANY_PORT);
    const callers = lab.spawn('a', [MANY, 'call', B, `${MANY_PORT}`, `${MANY_CALLERS}`]);
    const told = (): string => `${callers.stdout}${callers.stderr} (${heldCallers('a')} are held)`;
    await waitFor(
      () => heldCallers('a') === MANY_CALLERS,
      PATIENCE,
      () => `all of them to sleep: ${told()}`,
    );

    await lab.kill('a');
    await lab.restart('a');
    server.kill('SIGUSR1');
    await waitFor(
      () => !callers.running,
      2 * PATIENCE,
      () => `the end of all: ${told()}`,
    );
    const { stdout } = await callers.ended;
    const ends = [...stdout.matchAll(/^(\d+) (?:answered|(?:send|recv) E(?:CONNRESET|CONNABORTED|PIPE))$/gm)];
    expect(
      ends.reduce((sum, [, count]) => sum + Number(count), 0),
      stdout,
    ).to.equal(MANY_CALLERS);
    expect(Number(/^(\d+) answered$/m.exec(stdout)?.[1]), stdout).to.be.above(0);
    // With those that the agent which was killed had begun nobody can go on, and a slow machine has no time for so many.
    const { failures, gate } = await lab.status('a');
    expect(['TLSHUB_SPOILT', 'TLSHUB_OVERLOAD']).to.include.members(Object.keys(failures));
    expect(gate.egressDrops, 'segments that the egress guard kept').to.equal(0);
    await server.stop();
  });
});
