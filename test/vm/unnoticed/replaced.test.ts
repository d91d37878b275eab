// SPDX-License-Identifier: Apache-2.0
/**
 * Callers sleep in front of the gate while the agent dies and the next one puts a gate of its own in its place. Awake, they go on into the gate
 * that was there when they fell asleep: if the kernel had freed that meanwhile, it would end here.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { lab, waitFor, type Program } from '../harness/index.js';
import { B, PATIENT, holdSleeps } from './support.js';

const SILENT_PORT = 7999;
const LATE_PORT = 7400;
const PATIENCE = 60_000;
const RETIRED = '/sys/fs/bpf/tlshub-lab-a/retired';
/** Much longer than the kernel takes to free a program that it thinks nobody is in. */
const FREED_MS = 3000;

const CALL = `
import socket, sys
one = socket.socket()
one.connect((sys.argv[1], int(sys.argv[2])))
print('connected', flush=True)
try:
    if sys.argv[3] == 'talk':
        one.send(b'x')
    print('had', one.send(b'x') if sys.argv[3] == 'send' else one.recv(1))
except OSError as error:
    print('ended', error)
`;

describe('callers that sleep while the gate is replaced', () => {
  before(async function () {
    this.timeout(240_000);
    // Nobody is to end them in between: neither the gate for want of an agent, nor the guardian.
    await lab.up({ set: { ...PATIENT.set, lease_ms: 60_000, guardian_grace_ms: 120_000 } });
    if (!(await holdSleeps())) this.skip();
  });
  after(() => lab.down());

  it('wake in the gate that they fell asleep in, which is there as long as it takes', async function () {
    this.timeout(300_000);
    const silent = lab.spawn('b', ['/usr/bin/python3', resolve('test/programs/tarpit.py'), 'serve', `${SILENT_PORT}`], {
      outside: true,
    });
    await waitFor(() => silent.stdout.includes('ready'), PATIENCE, 'a server that says nothing');
    const callers: Program[] = ['send', 'send', 'recv', 'recv'].map((call) =>
      lab.spawn('a', ['/usr/bin/python3', '-c', CALL, B, `${SILENT_PORT}`, call]),
    );
    const asleep = (): boolean => callers.every(({ stdout, held }) => stdout === 'connected\n' && held);
    await waitFor(asleep, PATIENCE, 'all of them to sleep');

    await lab.kill('a');
    await lab.restart('a');
    await sleep(FREED_MS);
    // Each wakes for a moment now and then, to look by itself.
    await waitFor(asleep, PATIENCE, 'all of them to sleep on');
    const kept = existsSync(RETIRED);

    await silent.stop('SIGKILL');
    // Who reads has an end of file, as on plain TCP.
    for (const caller of callers) expect((await caller.ended).stdout).to.match(/^connected\n(ended .+|had b'')\n$/);
    expect(kept, 'what they slept in front of was pinned').to.equal(true);
    await waitFor(() => !existsSync(RETIRED), PATIENCE, 'the old gate to go, now that nobody is in front of it');
    expect((await lab.status('a')).ready).to.equal(true);
  });

  it('and their bytes arrive when the next agent has secured their connections', async function () {
    this.timeout(300_000);
    const server = lab.spawn('b', [resolve('build/programs/talker'), 'late', `${LATE_PORT}`]);
    await server.listening(LATE_PORT);
    const callers = Array.from({ length: 4 }, () =>
      lab.spawn('a', ['/usr/bin/python3', '-c', CALL, B, `${LATE_PORT}`, 'talk']),
    );
    const asleep = (): boolean => callers.every(({ stdout, held }) => stdout === 'connected\n' && held);
    await waitFor(asleep, PATIENCE, 'all of them to sleep');

    await lab.kill('a');
    await lab.restart('a');
    await sleep(FREED_MS);
    server.kill('SIGUSR1');
    const said = (): string => JSON.stringify(callers.map(({ stdout, stderr }) => stdout + stderr));
    await waitFor(
      () => callers.every(({ running }) => !running),
      PATIENCE,
      () => `the end of all: ${said()}`,
    );
    for (const caller of callers) expect((await caller.ended).stdout).to.equal("connected\nhad b'x'\n");
    await server.stop();
  });
});
