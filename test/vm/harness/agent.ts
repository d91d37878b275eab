// SPDX-License-Identifier: Apache-2.0
/** A supervisor started by the test itself, which so learns its exit status; the lab's own must have ended, or never have been there. */
import { existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { timed } from '../../timings.js';
import { lab, waitFor, type MeshNode, type Program } from './index.js';

const READY = '/tmp/tlshub-agent-ready';
const PATIENCE_MS = 60_000;

/** @param set keys of capture.conf as the environment has them: `TLSHUB_DRAIN_TIMEOUT_MS` and the like */
export async function startAgent(node: MeshNode, set: Record<string, string> = {}): Promise<Program> {
  rmSync(READY, { force: true });
  const command = [process.execPath, resolve('dist/supervisor.js'), lab.config(node)];
  const agent = lab.spawn(node, command, { outside: true, env: { ...set, TLSHUB_READY_FILE: READY } });
  const ready = waitFor(
    () => {
      if (!agent.running) throw new Error(`the agent has ended: ${agent.stderr}${agent.stdout}`);
      return existsSync(READY);
    },
    PATIENCE_MS,
    'the agent to be ready',
  );
  await timed('agent start', () => ready);
  return agent;
}
