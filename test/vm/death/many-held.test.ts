// SPDX-License-Identifier: Apache-2.0
/** Two hundred callers are held when their agent dies, stands still or is asked to end: none of them hangs, and none sends in clear. */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor, type Program, type Sniffer } from '../harness/index.js';
import { expectEncrypted } from '../harness/wire.js';
import { B, LEASES, heldCallers, PATIENCE, pins, settled, UNHURRIED } from './support.js';

const CALLERS = resolve('build/programs/callers');
const COUNT = 200;
const FOR_ALL = 2 * PATIENCE;
let port = 7400;

const said = ({ stdout, stderr }: Program): string => stdout + stderr;
/** As plain TCP tells of a connection that is over. */
const REFUSED = /^(\d+) (?:send|recv) E(?:CONNRESET|CONNABORTED|PIPE)$/gm;
const refused = ({ stdout }: Program): number =>
  [...stdout.matchAll(REFUSED)].reduce((sum, [, count]) => sum + Number(count), 0);

describe(`${COUNT} held callers`, function () {
  this.timeout(300_000);
  let server: Program;
  let callers: Program;
  let sniffer: Sniffer;

  before(async () => {
    await lab.up({ set: { ...UNHURRIED, ...LEASES, guardian_grace_ms: 10_000, drain_timeout_ms: 2000 } });
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

  async function allHeld(): Promise<void> {
    port++;
    server = lab.spawn('b', [CALLERS, 'serve', `${port}`]);
    await server.listening(port);
    callers = lab.spawn('a', [CALLERS, 'call', B, `${port}`, `${COUNT}`]);
    await waitFor(
      () => heldCallers('a') === COUNT,
      FOR_ALL,
      () => `all to be held (${heldCallers('a')} are); they said: ${said(callers)}`,
    );
  }

  /** What both agents know of the last callers, for a message. */
  async function bothEnds(): Promise<string> {
    const [here, there] = [await lab.flows('a'), await lab.flows('b')];
    const { problems } = await lab.status('a');
    return JSON.stringify({ a: here.slice(-3), b: there.slice(-3), problems });
  }

  const allEnded = (): Promise<true> =>
    waitFor(
      () => !callers.running,
      FOR_ALL,
      () => `the end of all callers (${heldCallers('a')} are held); they said: ${said(callers)}`,
    );

  async function expectAllRefused(): Promise<void> {
    await allEnded();
    await callers.ended;
    expect(refused(callers), said(callers)).to.equal(COUNT);
    expect(heldCallers('a')).to.equal(0);
  }

  it('are all refused when the agent stands still, and others are served when it goes on', async () => {
    await allHeld();
    lab.signal('a', 'SIGSTOP');
    try {
      await expectAllRefused();
    } finally {
      lab.signal('a', 'SIGCONT');
    }
    await waitFor(async () => (await lab.status('a')).ready, FOR_ALL, 'readiness');
    // Its lease is short: it is to be done with all that ended while it stood still.
    await settled('a');
    server.kill('SIGUSR1');
    const { stdout } = await lab.exec('a', [CALLERS, 'call', B, `${port}`, '3']);
    expect(stdout, await bothEnds()).to.equal('connected\n3 answered\n');
  });

  it('are all refused when it is killed and no other comes', async () => {
    await allHeld();
    await lab.kill('a');
    await expectAllRefused();
    await lab.restart('a');
  });

  it('are all refused when it is asked to end before their peer answers, and nothing of it is left', async () => {
    await allHeld();
    lab.signal('a', 'SIGINT');
    await allEnded();
    await callers.ended;
    expect(refused(callers), said(callers)).to.equal(COUNT);
    await waitFor(() => pins('a').length === 0, FOR_ALL, 'no pins');
    await lab.restart('a');
  });
});
