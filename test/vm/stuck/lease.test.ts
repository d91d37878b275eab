// SPDX-License-Identifier: Apache-2.0
/**
 * An agent that lives and does nothing any more: its lease runs out, the gate stops nobody for it, and the guardian does what it does for a
 * dead one. If it comes back, all is as before.
 */
import { expect } from 'chai';
import { lab, waitFor, type Program } from '../harness/index.js';
import { B, SILENT_PORT, serve, visit } from './support.js';

const PATIENCE = 60_000;

describe('an agent that hangs', () => {
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

  it('is as a dead one to the gate and the guardian, and is taken back when it goes on', async function () {
    this.timeout(300_000);
    const said = async (words: string): Promise<boolean> => (await lab.logs('a')).includes(words);
    const asleep = lab.spawn('a', ['/usr/bin/python3', '-c', SLEEPER, B, String(SILENT_PORT)]);
    const standing = lab.spawn('a', ['/usr/bin/python3', '-c', WRITER, B, String(SILENT_PORT)]);
    await waitFor(
      () => asleep.stdout.includes('asleep') && standing.state === 'T',
      PATIENCE,
      () => explain(asleep, standing),
    );
    const { pid } = await lab.status('a');
    process.kill(pid, 'SIGSTOP');
    try {
      await waitFor(() => said(`agent ${pid} hangs: continued`), PATIENCE, "the guardian's word");
      await waitFor(() => standing.state !== 'T', PATIENCE, 'the program that stood still to go on');
      await waitFor(() => said(`agent ${pid} has hung for the grace period`), PATIENCE, 'the end of the grace period');
      // Those that are held hear of their end.
      for (const one of [asleep, standing]) expect((await one.ended).stdout).to.include('ended');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await waitFor(() => said(`agent ${pid} has come back`), PATIENCE, 'its return');
    await waitFor(async () => (await lab.status('a')).ready, PATIENCE, 'readiness');
    const { failures, times } = await visit(5);
    expect(failures).to.deep.equal([]);
    expect(times).to.have.length(5);
  });

  it('tells of each thread when it gave its last sign of life', async () => {
    const { lease } = await lab.status('a');
    expect(lease.threads.map(({ thread }) => thread)).to.deep.equal(['main', 'installer', 'event reader']);
    for (const { thread, ms } of lease.threads) expect(ms, thread).to.be.below(lease.ttlMs);
  });
});

function explain(asleep: Program, standing: Program): string {
  return `one program asleep (${asleep.stdout}${asleep.stderr}) and one that stands still (${standing.state})`;
}

const CONNECT = `
import select, socket, sys
one = socket.socket()
one.connect((sys.argv[1], int(sys.argv[2])))
`;

/** Asleep until something can be read. */
const SLEEPER = `${CONNECT}
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

/** Stands still in send(). */
const WRITER = `${CONNECT}
try:
    one.sendall(b'x')
except OSError as error:
    print('ended', error, flush=True)
`;
