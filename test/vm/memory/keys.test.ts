// SPDX-License-Identifier: Apache-2.0
/**
 * What the agents have of the keys of connections that they have secured: nothing, right afterwards and some seconds later. Keys and ivs are
 * known by the kernel's own word (getsockopt in the programs that talk), secrets by the key log of node a's agent: a copy on purpose, so they
 * are looked for in the other one. test/native/handshake-memory.test.ts looks for them on both sides.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { lab, waitFor, type MeshNode, type Program } from '../harness/index.js';
import { needlesOf, searchMemory, summaryOf, type Needle } from '../../wire/needles.js';

const CIPHER = 'TLS_AES_128_GCM_SHA256';
const PROGRAM = ['/usr/bin/python3', resolve('test/programs/kernel_keys.py')];
const PORT = 7400;
const CONNECTIONS = 8;
const KEY_LOG = '/tmp/memory-keys.log';
const CORE_PATTERN = '/proc/sys/kernel/core_pattern';

/** From a line of kernel_keys.py. For TLS 1.3 the kernel has the 12 bytes of an iv in two pieces, of which the first is the salt. */
function kernelNeedles(line: string): Needle[] {
  const [name = '', hex = ''] = line.split(' ');
  const info = Buffer.from(hex, 'hex');
  const iv = Buffer.concat([info.subarray(28, 32), info.subarray(4, 12)]);
  return [
    { name: `kernel:${name}:key`, bytes: info.subarray(12, 28) },
    { name: `kernel:${name}:iv`, bytes: iv },
  ];
}

const agentPid = (node: MeshNode): number => Number(readFileSync(`/run/tlshub-lab/${node}/pid`, 'utf8'));
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** Secures connections from a to b and has the programs keep them. */
async function talk(): Promise<{ programs: Program[]; needles: Needle[] }> {
  const server = lab.spawn('b', [...PROGRAM, 'server', String(PORT), String(CONNECTIONS)]);
  await server.listening(PORT);
  const client = lab.spawn('a', [...PROGRAM, 'client', '10.77.0.2', String(PORT), String(CONNECTIONS)]);
  const programs = [server, client];
  const done = (program: Program): boolean => {
    if (!program.running) throw new Error(`a program has ended: ${program.stderr}`);
    return program.stdout.endsWith('done\n');
  };
  await waitFor(() => programs.every(done), 60_000, 'the keys of all connections');
  const said = programs.flatMap(({ stdout }) => lines(stdout)).filter((line) => line !== 'done');
  expect(said).to.have.length(2 * 2 * CONNECTIONS);
  return { programs, needles: said.flatMap(kernelNeedles) };
}

function expectNothing(node: MeshNode, needles: readonly Needle[]): void {
  expect(summaryOf(searchMemory(agentPid(node), needles)), `in the agent of node ${node}`).to.deep.equal({});
}

describe('keys in memory', function () {
  this.timeout(300_000);
  after(() => lab.down());

  for (const mode of ['openssl', 'boringssl', 'tlshub'] as const) {
    it(`${mode}: no secret, key or iv is left in an agent`, async () => {
      rmSync(KEY_LOG, { force: true });
      const logs = mode === 'tlshub' ? {} : { 'a:keylog_file': KEY_LOG };
      await lab.up({ mode, set: { 'tls.ciphers': CIPHER, ...logs } });
      const { programs, needles } = await talk();
      const searched = { a: [...needles], b: needles };
      if (mode !== 'tlshub') {
        const log = lines(readFileSync(KEY_LOG, 'utf8'));
        expect(log.filter((line) => line.startsWith('CLIENT_TRAFFIC_SECRET_0 '))).to.have.length(CONNECTIONS);
        const logged = needlesOf(log, CIPHER);
        // The log and the kernel speak of the same connections.
        const hex = (all: readonly Needle[]): string[] => all.map(({ bytes }) => Buffer.from(bytes).toString('hex'));
        expect(hex(logged)).to.include.members(hex(needles));
        needles.push(...logged);
      }
      for (const pauseMs of [0, 5000]) {
        await sleep(pauseMs);
        for (const node of ['a', 'b'] as const) expectNothing(node, searched[node]);
      }
      for (const program of programs) program.kill();
    });
  }

  it('a search finds what is there: the programs themselves have what the kernel has told them', async () => {
    await lab.need();
    const { programs, needles } = await talk();
    const [server] = programs;
    expect(searchMemory(server!.pid, needles)).to.not.deep.equal([]);
    for (const program of programs) program.kill();
  });

  it('what is locked is at least the memory for secrets', async () => {
    await lab.need();
    const locked = /^VmLck:\s+(\d+) kB/m.exec(readFileSync(`/proc/${agentPid('b')}/status`, 'utf8'));
    expect(Number(locked?.[1])).to.be.at.least(64);
  });

  it('an agent that crashes leaves no core, even where cores go to a program, whatever the limits say', async () => {
    await lab.need();
    const before = readFileSync(CORE_PATTERN, 'utf8');
    const core = (pid: number): string => `/tmp/memory-core-${pid}`;
    // To a program: the limit on the size of core files does not hold for one (core(5)).
    writeFileSync(CORE_PATTERN, '|/usr/bin/tee /tmp/memory-core-%P');
    try {
      const other = lab.spawn('b', ['/usr/bin/python3', '-c', 'import time; print("up", flush=True); time.sleep(600)']);
      await waitFor(() => other.stdout !== '', 20_000, 'a program');
      other.kill('SIGSEGV');
      await waitFor(() => existsSync(core(other.pid)), 20_000, 'the core of another program');
      const pid = agentPid('b');
      lab.signal('b', 'SIGSEGV');
      await waitFor(() => !existsSync(`/proc/${pid}`), 20_000, 'the end of the agent');
      await sleep(500);
      expect(existsSync(core(pid))).to.equal(false);
    } finally {
      writeFileSync(CORE_PATTERN, before);
    }
  });
});
