// SPDX-License-Identifier: Apache-2.0
/**
 * The guardian ends held connections with a call that waits for the program which keeps a socket's lock. That program's is not ended then,
 * others' are, and the guardian itself waits for nobody.
 */
import { expect } from 'chai';
import { lab, waitFor, type Program } from '../harness/index.js';
import { guardianOf } from '../death/support.js';
import { B, SILENT_PORT, attack, serve, uninterruptible, visit } from './support.js';

const PATIENCE = 60_000;
const INNOCENTS = 5;

describe('held connections whose agent is gone, and a program that keeps the lock of one', () => {
  before(async function () {
    this.timeout(300_000);
    await lab.up({
      set: {
        lease_ms: 2000,
        guardian_grace_ms: 3000,
        handshake_timeout_ms: 120_000,
        hold_timeout_ms: 180_000,
        silent_peer_timeout_ms: 120_000,
      },
    });
    await serve();
  });
  after(() => lab.down());

  const asleep = async (count: number): Promise<Program[]> => {
    const all = Array.from({ length: count }, () =>
      lab.spawn('a', ['/usr/bin/python3', '-c', SLEEPER, B, String(SILENT_PORT)]),
    );
    for (const one of all) await waitFor(() => one.stdout.includes('asleep'), PATIENCE, 'a program to sleep');
    return all;
  };

  it("ends the others', is not stuck, and leaves room for the next agent", async function () {
    this.timeout(300_000);
    const before_ = await asleep(2);
    const attackers = [];
    for (let i = 0; i < 3; i++) attackers.push(await attack('fuse_hold', ['lock', B, SILENT_PORT], 'waiting'));
    const innocent = [...before_, ...(await asleep(INNOCENTS - 2))];
    const guardian = await guardianOf('a');
    const logged = (await lab.logs('a')).length;
    await lab.kill('a');
    for (const one of innocent) expect((await one.ended).stdout).to.include('ended');
    const said = await waitFor(
      async () => /: ended (\d+) held connections/.exec((await lab.logs('a')).slice(logged))?.[1],
      PATIENCE,
      () => `the guardian to be through; it waits in: ${uninterruptible(guardian).join(' ')}`,
    );
    expect(Number(said)).to.equal(INNOCENTS);
    for (const one of attackers) expect(one.running).to.equal(true);
    await lab.restart('a');
    for (const one of attackers) await one.stop('SIGKILL');
    await waitFor(async () => (await lab.status('a')).ready, PATIENCE, 'readiness');
    expect((await visit(5)).failures).to.deep.equal([]);
  });
});

/** Asleep until something can be read. */
const SLEEPER = `
import select, socket, sys
one = socket.socket()
one.connect((sys.argv[1], int(sys.argv[2])))
one.setblocking(False)
try:
    one.recv(1)
except BlockingIOError:
    print('asleep', flush=True)
poll = select.poll()
poll.register(one, select.POLLIN)
poll.poll()
print('ended', flush=True)
`;
