// SPDX-License-Identifier: Apache-2.0
/**
 * The kernel says that a direction is encrypted some instructions before its calls are TLS's. Those moments are made 60 ms long (test/bpf/widen.bpf.c)
 * while programs ask again and again: none of them reads a record as it is, and none sends in plaintext.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor } from '../harness/index.js';
import { Peer, step } from '../harness/peer.js';
import { SECRET, inTheSharedLab } from '../harness/wire.js';
import { B } from './support.js';

const HELLO = 'hello-first';
const ROUNDS = 4;
const MS = 60;
const PORT = 7120;

/**
 * Instructions of tls_setsockopt() that store a register where sk_prot lies in a sock (0x28) or the operations in a socket (0x20); which of them
 * are those, the probe finds out.
 */
function candidates(): string[] {
  const file = `/lib/modules/${release()}/kernel/net/tls/tls.ko`;
  const code = execFileSync('objdump', ['-d', '--no-show-raw-insn', '--disassemble=tls_setsockopt', file], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  const start = parseInt(/^([0-9a-f]+) <tls_setsockopt>:/m.exec(code)?.[1] ?? '', 16);
  return [...code.matchAll(/^ *([0-9a-f]+):\s+mov +%r\w+,0x2[08]\(%r(?!sp)/gm)].map(([, at = '']) =>
    (parseInt(at, 16) - start).toString(16),
  );
}

describe('a gate that opens while the kernel is between two stores', () => {
  inTheSharedLab();

  it('lets nothing through before all of them are done', async function () {
    this.timeout(240_000);
    const offsets = candidates();
    expect(offsets.length, 'stores in tls_setsockopt()').to.be.at.least(2);
    const agent = readFileSync('/run/tlshub-lab/a/pid', 'utf8').trim();
    const tools = resolve('build/bpf-test');
    const widen = [`${tools}/widen`, `${tools}/widen.bpf.o`, agent, String(MS), ...offsets];
    const widener = lab.spawn('a', widen, { outside: true });
    await waitFor(() => widener.stdout.includes('ready') || !widener.running, 60_000, 'probes');
    expect(widener.running, widener.stderr).to.equal(true);

    const ways = ['spin-recv', 'spin-splice', `spin-send:${SECRET}`];
    const server = await Peer.listen(
      'b',
      PORT,
      Array.from({ length: ROUNDS * ways.length }, () => ['accept', `write:${HELLO}`, 'cat', 'close']).flat(),
    );
    for (let round = 0; round < ROUNDS; round++) {
      for (const way of ways) {
        // Not blocking by itself: what splice() is asked to do the gate cannot see.
        const steps = await Peer.run('a', [`connect:${B}:${PORT}`, 'nb', way, 'close']);
        const spin = step(steps, way.split(':')[0] ?? '');
        const said = `${spin.op}: ${spin.error}; ${JSON.stringify([(await lab.flows('a')).at(-1), (await lab.flows('b')).at(-1)])}`;
        expect(spin.tries, `${spin.op} came before the opening`).to.be.greaterThan(0);
        if (spin.op === 'spin-send') expect(spin.result, said).to.equal(SECRET.length);
        else expect(spin.data, said).to.equal(HELLO);
      }
    }
    await server.finish();
    const { stdout } = await widener.stop('SIGTERM');
    const [prot = 0, ops = 0] = (/^(\d+) (\d+)$/m.exec(stdout)?.slice(1) ?? []).map(Number);
    process.stdout.write(`      sk_prot was late ${prot} times, the operations ${ops} times\n`);
    expect(prot, 'sk_prot late: for each connection and direction').to.be.at.least(2 * ROUNDS * ways.length);
    expect(ops, 'operations late').to.be.at.least(ROUNDS * ways.length);
  });
});
