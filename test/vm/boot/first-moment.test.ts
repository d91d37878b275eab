// SPDX-License-Identifier: Apache-2.0
/**
 * Both nodes after a boot, which this is: nothing was pinned on this kernel before. Programs that connect and that listen are there from the
 * moment on in which the boot gate has ended, and the agents long after. `scripts/boots` does it on one freshly booted machine after another.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { keptState, shutBootGate } from '../harness/boot-gate.js';
import { lab, waitFor, type Program } from '../harness/index.js';

const TALKER = resolve('build/programs/talker');
const A = '10.77.0.1';
const B = '10.77.0.2';
const PORT = '7600';
const PATIENCE = 60_000;

/** Connects again and again, as a program does whose server is not there yet, until it is answered. */
const UNTIL_ANSWERED = `
tries=0
until said=$("$0" blocking "$1" ${PORT} "$2") && [[ $said == *"read $2"* ]]; do
  echo "try $((++tries))"
  sleep 0.05
done
echo answered`;

describe('from the first moment after a boot', () => {
  const marker = `secret-${randomUUID()}`;

  before(() => lab.up({ without: ['a', 'b'], policy: 'strict' }));

  after(() => lab.down());

  it('nothing of the mesh is in plaintext, and all works once the agents are up', async () => {
    expect(['a', 'b'].some((node) => existsSync(`/sys/fs/bpf/tlshub-lab-${node}`))).to.equal(false);
    const sniffer = await lab.sniff();
    for (const node of ['a', 'b'] as const) {
      const { status, stderr } = shutBootGate(await keptState(node));
      expect(status, stderr).to.equal(0);
    }
    const servers = [lab.spawn('a', [TALKER, 'echo', PORT]), lab.spawn('b', [TALKER, 'echo', PORT])];
    const clients = [
      lab.spawn('a', ['bash', '-c', UNTIL_ANSWERED, TALKER, B, marker]),
      lab.spawn('b', ['bash', '-c', UNTIL_ANSWERED, TALKER, A, marker]),
    ];
    const tried = ({ stdout }: Program): boolean => stdout.includes('try 5');
    await waitFor(() => clients.every(tried), PATIENCE, 'both clients to have been refused some times');
    expect(servers.map(({ stdout }) => stdout.includes('accepted'))).to.deep.equal([true, true]);
    await Promise.all([lab.restart('a'), lab.restart('b')]);
    for (const { ended } of clients) expect((await ended).stdout).to.match(/\nanswered\n$/);
    for (const node of ['a', 'b'] as const) {
      const { adopted, bootGate } = await lab.status(node);
      expect(adopted, node).to.equal(true);
      expect(bootGate.shutSince, node).to.be.a('string');
    }
    for (const server of servers) await server.stop();
    const capture = await sniffer.stop();
    expect(capture.contains(marker)).to.equal(false);
    expect(capture.plaintextFrames, capture.describe()).to.equal(0);
    expect(capture.payloadFrames).to.be.greaterThan(6);
  });
});
