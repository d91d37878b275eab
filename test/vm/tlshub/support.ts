// SPDX-License-Identifier: Apache-2.0
/** What the tests of TLSHub in the lab share: the stand-ins for its module. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { lab, waitFor, type MeshNode } from '../harness/index.js';

const CGROUPS = '/sys/fs/cgroup/tlshub-lab';
const PEER = resolve('build/peers/tlshub-peer');
/** As in scripts/lab. */
export const PORT_ID = 4711;

/** Pids of the node's stand-in. */
function modulePids(node: MeshNode): number[] {
  const pids = readFileSync(`${CGROUPS}/agent-${node}/cgroup.procs`, 'utf8').split('\n').filter(Boolean).map(Number);
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'tlshub-peer';
    } catch {
      return false; // ended meanwhile
    }
  });
}

/** Ends the node's stand-in, and with it all keys it knew. */
export async function unloadModule(node: MeshNode): Promise<void> {
  for (const pid of modulePids(node)) process.kill(pid, 'SIGKILL');
  await waitFor(() => modulePids(node).length === 0, 10_000, `the end of the stand-in of ${node}`);
}

/** Starts it again, perhaps with misbehaviour. */
export function loadModule(node: MeshNode, ...options: string[]): Promise<void> {
  const command = ['--background', '--port-id', String(PORT_ID), ...options];
  const script = `echo $$ > ${CGROUPS}/agent-${node}/cgroup.procs; exec nsenter --net=/run/netns/tlshub-${node} ${PEER} ${command.join(' ')}`;
  return new Promise((done, reject) => {
    spawn('bash', ['-c', script], { stdio: 'ignore' }).on('exit', (code) =>
      code === 0 ? done() : reject(new Error(`the stand-in of ${node} does not start: status ${code}`)),
    );
  });
}

export async function reloadModule(node: MeshNode, ...options: string[]): Promise<void> {
  await unloadModule(node);
  await loadModule(node, ...options);
}

/** Messages of the node's log. */
export async function logMessages(node: MeshNode): Promise<string[]> {
  return (await lab.logs(node))
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => (JSON.parse(line) as { message: string }).message);
}

/** What a promise rejects with; @throws Error when it does not */
export async function thrownBy(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error('something was thrown that is no Error', { cause: error });
  }
  throw new Error('nothing was thrown');
}
