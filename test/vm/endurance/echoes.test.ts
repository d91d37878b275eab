// SPDX-License-Identifier: Apache-2.0
/**
 * Seen once, under heavy load: a program read something other than the echo of what it had sent. So: 100 new connections at once, read in
 * every way there is, while agents die and come back, providers and load change. A connection may fail then; none may read a byte that
 * its peer did not send, or the end of what has not ended. `TLSHUB_ENDURANCE_SECONDS` makes it longer.
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor, type MeshNode, type Program } from '../harness/index.js';

const ECHOES = resolve('build/programs/echoes');
const B = '10.77.0.2';
const PORT = 7800;
const AT_ONCE = 100;
const SECONDS = Number(process.env.TLSHUB_ENDURANCE_SECONDS ?? 60);
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** What happens to a node's agent, one after the other. */
const changes: ((node: MeshNode) => Promise<unknown>)[] = [
  (node) => lab.mode(node, 'boringssl'),
  (node) => lab.kill(node).then(() => lab.restart(node)),
  (node) => lab.mode(node, 'openssl'),
  (node) => lab.reload(node),
  async (node) => {
    lab.signal(node, 'SIGSTOP');
    await pause(300);
    lab.signal(node, 'SIGCONT');
  },
  (node) => lab.restart(node),
];

describe('programs that have their words sent back', () => {
  before(async function () {
    this.timeout(240_000);
    await lab.up();
  });
  after(() => lab.down());

  it('read nothing else, whatever happens to the agents', async function () {
    this.timeout(600_000 + 4000 * SECONDS);
    const server = lab.spawn('b', [ECHOES, 'serve', `${PORT}`, `${AT_ONCE}`]);
    await server.listening(PORT);
    const sniffer = await lab.sniff();
    const client: Program = lab.spawn('a', [ECHOES, 'run', B, `${PORT}`, `${AT_ONCE}`], { user: 'nobody' });
    await waitFor(() => client.stdout.includes('echoed'), 60_000, 'the first echo');

    const end = Date.now() + SECONDS * 1000;
    let changed = 0;
    while (Date.now() < end || changed < 2 * changes.length) {
      const node: MeshNode = changed % 2 === 0 ? 'a' : 'b';
      // Every other change meets processors that have something else to do.
      const burners =
        changed % 4 < 2
          ? cpus().map(() => lab.spawn('a', ['/bin/sh', '-c', 'while :; do :; done'], { outside: true }))
          : [];
      await changes[Math.floor(changed / 2) % changes.length]?.(node);
      await pause(1000);
      await Promise.all(burners.map((burner) => burner.stop('SIGKILL')));
      changed += 1;
      expect(client.stdout, `after ${changed} changes`).not.to.include('wrong:');
    }
    client.kill('SIGUSR1');
    const { stdout, stderr } = await client.ended;
    const capture = await sniffer.stop();
    process.stdout.write(`      ${changed} changes; ${stdout.trim().split('\n').join('; ')}\n`);
    const right = /^(\d+) right, 0 wrong, \d+ ended$/m.exec(stdout)?.[1];
    expect(Number(right), stdout + stderr).to.be.greaterThan(AT_ONCE);
    expect(stdout, 'nobody waits for ever').not.to.include('ETIMEDOUT');
    expect(capture.plaintextFrames, capture.describe()).to.equal(0);
    // And who comes when all is quiet finds all as it should be.
    for (const node of ['a', 'b'] as const) expect((await lab.status(node)).ready, node).to.equal(true);
    expect(execFileSync('dmesg', { encoding: 'utf8' })).not.to.match(/BUG:|Oops|WARNING:/);
  });
});
