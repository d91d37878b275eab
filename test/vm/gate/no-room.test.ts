// SPDX-License-Identifier: Apache-2.0
/**
 * A program's filter takes all that the kernel lends a socket for its options (net.core.optmem_max), and what the gate keeps with a socket is paid
 * from the same: then no byte passes.
 */
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { Peer, step } from '../harness/peer.js';
import { EVIL, SECRET, inTheSharedLab } from '../harness/wire.js';
import { A, B, OUTSIDE, RAW } from '../sharing/support.js';

/** What it was before Linux 6.8: no filter is large enough for what it is since then. */
const ROOM = 20_480;
const PORT = 7000;
const EVIL_PORT = 7950;

/** In a node's network namespace, which has a limit of its own from Linux 6.8 on; before, it is the machine's, and as small. */
function limit(node: 'a' | 'b', bytes: string): string {
  const name = 'net.core.optmem_max';
  const there = ['nsenter', `--net=/run/netns/tlshub-${node}`, 'sysctl', '-ne', name];
  const before = execFileSync(there[0]!, there.slice(1), { encoding: 'utf8' }).trim();
  if (before !== '') execFileSync(there[0]!, [...there.slice(1, -2), '-qw', `${name}=${bytes}`]);
  return before;
}

describe("a socket without room for the gate's state", () => {
  inTheSharedLab();
  const before_ = new Map<'a' | 'b', string>();
  before(() => {
    for (const node of ['a', 'b'] as const) before_.set(node, limit(node, String(ROOM)));
  });
  after(() => {
    for (const [node, bytes] of before_) if (bytes !== '') limit(node, bytes);
  });

  it('is not connected, and nothing of it leaves', async () => {
    const server = await Peer.listen('b', RAW, ['nb', 'wait-ms:3000', 'accept', 'cat'], OUTSIDE);
    const steps = await Peer.run('a', [
      ...['socket:tcp', 'take-room:0', `connect:${B}:${RAW}`],
      ...['nb', 'wait-ms:500', `write:${SECRET}`, 'give-room', `write:${SECRET}`, 'close'],
    ]);
    expect(step(steps, 'connect')).to.include({ result: -1, error: 'ENOMEM' });
    expect(step(steps, 'write').result).to.equal(-1);
    expect(step(steps, 'give-room').result, 'it had the filter').to.equal(0);
    expect(step(steps, 'write', 2).result).to.equal(-1);
    await server.stop();
  });

  it('that is accepted gets not a byte of a stranger, nor can it send one, also when it has room again', async () => {
    const server = await Peer.listen('b', PORT, [
      ...['listener-take-room:0', 'accept', 'sleep:500', 'nb', 'wait-ms:500', 'recv', 'splice-in', 'give-room'],
      ...['recv', 'splice-in', `write:${SECRET}`, 'sleep:500', 'recv', `write:${SECRET}`, 'close'],
    ]);
    await server.until('listener-take-room');
    await Peer.run(
      'a',
      [`bind:${A}:${EVIL_PORT}`, `connect:${B}:${PORT}`, `write:${EVIL}\\n`, 'wait-ms:5000', 'cat', 'close'],
      OUTSIDE,
    );
    const steps = await server.finish();
    for (const op of ['listener-take-room', 'accept', 'give-room']) expect(step(steps, op).result, op).to.equal(0);
    const moves = steps.filter(({ op }) => ['recv', 'splice-in', 'write'].includes(op));
    expect(moves).to.have.length(7);
    for (const one of moves) expect(one, JSON.stringify(steps)).to.include({ result: -1, data: '' });
  });

  it('is no trouble for others', async () => {
    const server = await Peer.listen('b', PORT, ['serve-blocking:1']);
    const client = await Peer.run('a', [`connect:${B}:${PORT}`, `write:${SECRET}\\n`, 'read', 'close']);
    expect(step(client, 'read').data).to.equal(`ok ${SECRET}\\x0a`);
    await server.finish();
    for (const node of ['a', 'b'] as const) expect((await lab.status(node)).ready, node).to.equal(true);
  });
});
