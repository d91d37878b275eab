// SPDX-License-Identifier: Apache-2.0
/** Two hundred callers are held when their agent dies, stands still or is asked to end: none of them hangs, and none sends in clear. */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor, type Program, type Sniffer } from '../harness/index.js';
import { expectEncrypted } from '../harness/wire.js';
import { B, heldCallers, PATIENCE, pins, settled, UNHURRIED } from './support.js';

const CALLERS = resolve('build/programs/callers');
const COUNT = 200;
const FOR_ALL = 2 * PATIENCE;
/** Those that a successor has handshakes with: 200 would take a minute under emulation. */
const SOME = 40;
let port = 7400;

const said = ({ stdout, stderr }: Program): string => stdout + stderr;
/** As plain TCP tells of a connection that is over. */
const REFUSED = /^(\d+) (?:send|recv) E(?:CONNRESET|CONNABORTED|PIPE)$/gm;
const counted = ({ stdout }: Program, what: RegExp): number =>
  [...stdout.matchAll(what)].reduce((sum, [, count]) => sum + Number(count), 0);
const refused = (program: Program): number => counted(program, REFUSED);
const answered = (program: Program): number => counted(program, /^(\d+) answered$/gm);

let server: Program;
let callers: Program;

/** @param graceMs how long the guardian waits for a successor */
function inALab(graceMs: number): void {
  let sniffer: Sniffer;

  before(async () => {
    const hurried = {
      'b:handshake_timeout_ms': 20_000,
      'b:hold_timeout_ms': 20_000,
      'b:silent_peer_timeout_ms': 20_000,
    };
    await lab.up({
      set: { ...UNHURRIED, ...hurried, lease_ms: 2000, guardian_grace_ms: graceMs, drain_timeout_ms: 2000 },
    });
    sniffer = await lab.sniff();
  });
  after(async () => {
    expectEncrypted(await sniffer.stop());
    await lab.down();
  });
  afterEach(async () => {
    await callers.stop();
    await server.stop();
    await settled('a');
  });
}

async function allHeld(count: number): Promise<void> {
  port++;
  server = lab.spawn('b', [CALLERS, 'serve', `${port}`]);
  await server.listening(port);
  callers = lab.spawn('a', [CALLERS, 'call', B, `${port}`, `${count}`]);
  await waitFor(
    () => heldCallers('a') === count,
    FOR_ALL,
    () => `all to be held (${heldCallers('a')} are); they said: ${said(callers)}`,
  );
}

async function allEnded(): Promise<void> {
  await waitFor(
    () => !callers.running,
    FOR_ALL,
    () => `the end of all callers (${heldCallers('a')} are held); they said: ${said(callers)}`,
  );
  await callers.ended;
}

describe(`${COUNT} held callers`, function () {
  this.timeout(300_000);
  inALab(10_000);

  async function expectAllRefused(): Promise<void> {
    await allEnded();
    expect(refused(callers), said(callers)).to.equal(COUNT);
    expect(heldCallers('a')).to.equal(0);
  }

  it('are all refused when the agent stands still, and others are served when it goes on', async () => {
    await allHeld(COUNT);
    lab.signal('a', 'SIGSTOP');
    try {
      await expectAllRefused();
    } finally {
      lab.signal('a', 'SIGCONT');
    }
    await waitFor(async () => (await lab.status('a')).ready, FOR_ALL, 'readiness');
    server.kill('SIGUSR1');
    const { stdout } = await lab.exec('a', [CALLERS, 'call', B, `${port}`, '3']);
    expect(stdout).to.equal('connected\n3 answered\n');
  });

  it('are all refused when it is killed and no other comes', async () => {
    await allHeld(COUNT);
    await lab.kill('a');
    await expectAllRefused();
    await lab.restart('a');
  });

  it('are all refused when it is asked to end before their peer answers, and nothing of it is left', async () => {
    await allHeld(COUNT);
    lab.signal('a', 'SIGTERM');
    await allEnded();
    expect(refused(callers), said(callers)).to.equal(COUNT);
    await waitFor(() => pins('a').length === 0, FOR_ALL, 'no pins');
    await lab.restart('a');
  });
});

describe(`${SOME} callers that are held while their agent is killed and another comes`, function () {
  this.timeout(300_000);
  inALab(100_000);

  it('are served by its successor, or refused', async () => {
    await allHeld(SOME);
    await lab.kill('a');
    await lab.restart('a');
    server.kill('SIGUSR1');
    await allEnded();
    expect(answered(callers) + refused(callers), said(callers)).to.equal(SOME);
    expect(answered(callers), said(callers)).to.be.greaterThan(0);
    // The old gate stays as long as somebody sleeps in front of it, and no longer.
    const old = (name: string): boolean => name.startsWith('retired') || name.startsWith('earlier');
    await waitFor(() => !pins('a').some(old), FOR_ALL, 'the end of the old programs');
  });
});
