// SPDX-License-Identifier: Apache-2.0
/** The reader of the gate's events on a machine that is short of descriptors: whichever it does not get, it keeps none of the others. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { expect } from 'chai';
import { kernel } from '../../../src/shared/kernel/native.js';

const OBJECT = 'dist/bpf/tlshub.bpf.o';
const PINS = '/sys/fs/bpf/tlshub-reader-test';
const PAGES = 8;

/** Of this process. */
function held(): { descriptors: number; buffers: number } {
  const maps = readFileSync('/proc/self/maps', 'latin1').split('\n');
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    buffers: maps.filter((line) => line.includes('[perf_event]')).length,
  };
}

describe('the reader of events', () => {
  const addon = kernel();
  let shell: ChildProcessByStdio<Writable, Readable, null>;
  let answers: Interface;
  const limitDescriptors = async (soft: string): Promise<void> => {
    shell.stdin.write(`prlimit --pid=${process.pid} --nofile=${soft}: && echo limited\n`);
    await once(answers, 'line');
  };
  const [, usual] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))!;

  before(() => {
    // Begun while there are descriptors for it: it changes the limit of this process.
    shell = spawn('bash', { stdio: ['pipe', 'pipe', 'inherit'] });
    answers = createInterface(shell.stdout);
  });
  after(async () => {
    await limitDescriptors(usual!);
    shell.stdin.end();
  });

  it('leaves nothing open or mapped, whichever of its descriptors it does not get', async () => {
    const loaded = await addon.loadGate(OBJECT, PINS, '');
    const policy = { policy: 'permissive', sameNode: 'secure', rules: [] } as const;
    const settings = {
      holdMs: 1000,
      silentPeerMs: 1000,
      nonblockingMs: 0,
      emitConnect: false,
      keyNetlink: 0,
      ...policy,
      rules: [],
    };
    const gate = loaded.open({ cgroups: [], settings, mesh: [] });
    try {
      const before = held();
      const failures = new Set<string>();
      for (let limit = before.descriptors; ; limit++) {
        await limitDescriptors(String(limit));
        try {
          addon.openReader(gate.fds.events, PAGES, new Float64Array([1])).close();
          break;
        } catch (error) {
          const { code, syscall } = error as { code: string; syscall: string };
          failures.add(`${code} ${syscall}`);
        }
        await limitDescriptors(usual!);
        expect(held()).to.deep.equal(before);
      }
      await limitDescriptors(usual!);
      // its buffers, and what it waits with
      expect([...failures].sort()).to.deep.equal(['TLSHUB_SYS epoll_create1', 'TLSHUB_SYS perf_event_open']);
      expect(held()).to.deep.equal(before);
    } finally {
      gate.detach();
    }
  });
});
