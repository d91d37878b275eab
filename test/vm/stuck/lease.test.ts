// SPDX-License-Identifier: Apache-2.0
/**
 * An agent that lives and does nothing any more: its lease runs out, the gate stops nobody for it, and the guardian does what it does for a
 * dead one. If it comes back, all is as before.
 */
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor, type Program } from '../harness/index.js';
import { B, SILENT_PORT, serve, visit } from './support.js';

const PATIENCE = 60_000;
const HOLD_THREAD = resolve('build/programs/hold_thread');

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
      () => asleep.stdout.includes('asleep') && standing.held,
      PATIENCE,
      () => explain(asleep, standing),
    );
    const { pid } = await lab.status('a');
    process.kill(pid, 'SIGSTOP');
    try {
      await waitFor(() => said(`agent ${pid} hangs: continued`), PATIENCE, "the guardian's word");
      await waitFor(() => !standing.held, PATIENCE, 'the program that stood still to go on');
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

  for (const thread of ['installer', 'event reader', 'main'] as const) {
    it(`whose thread ${thread} alone hangs is one too, and says so where it still can`, async function () {
      this.timeout(300_000);
      await waitFor(async () => (await lab.status('a')).ready, PATIENCE, 'readiness');
      const { pid } = await lab.status('a');
      const standing = lab.spawn('a', ['/usr/bin/python3', '-c', WRITER, B, String(SILENT_PORT)]);
      await waitFor(() => standing.held, PATIENCE, 'a program that stands still');
      const logged = (await lab.logs('a')).length;
      const said = async (words: string): Promise<boolean> => (await lab.logs('a')).slice(logged).includes(words);
      const holder = await hold(pid, thread);
      try {
        await waitFor(() => said(`agent ${pid} hangs: continued`), PATIENCE, "the guardian's word");
        expect((await standing.ended).stdout).to.include('ended');
        // To find the thread others were held for a moment, and the guardian may have meant those.
        if (thread !== 'main') {
          await waitFor(async () => !(await lab.status('a')).ready, PATIENCE, 'no readiness');
          expect(JSON.stringify((await lab.status('a')).notReady)).to.include(thread);
        }
      } finally {
        await holder.stop('SIGKILL');
      }
      await waitFor(() => said(`agent ${pid} has come back`), PATIENCE, 'its return');
      expect((await visit(5)).failures).to.deep.equal([]);
    });
  }

  it('tells of each thread when it gave its last sign of life', async () => {
    const { lease } = await lab.status('a');
    expect(lease.threads.map(({ thread }) => thread)).to.deep.equal(['main', 'installer', 'event reader']);
    for (const { thread, ms } of lease.threads) expect(ms, thread).to.be.below(lease.ttlMs);
  });
});

/** Has one thread of the agent stand still. Which one it is shows in what the agent says of its signs of life. */
async function hold(pid: number, thread: 'main' | 'installer' | 'event reader'): Promise<Program> {
  for (const tid of thread === 'main' ? [String(pid)] : readdirSync(`/proc/${pid}/task`)) {
    if (thread !== 'main' && Number(tid) === pid) continue;
    const holder = lab.spawn('a', [HOLD_THREAD, tid], { outside: true });
    await waitFor(() => holder.stdout.includes('held'), PATIENCE, `thread ${tid} to stand still`);
    if (thread === 'main') return holder;
    await new Promise((done) => setTimeout(done, 1500));
    // Some threads are those that an answer waits for.
    const lease = await lab.status('a').then(
      (report) => report.lease,
      () => undefined,
    );
    if (lease?.threads.some((each) => each.thread === thread && each.ms > 1200) === true) return holder;
    await holder.stop('SIGKILL');
  }
  throw new Error(`the agent has no thread ${thread}`);
}

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
