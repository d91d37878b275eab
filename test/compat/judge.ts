// SPDX-License-Identifier: Apache-2.0
/** Runs a situation both ways and judges what was seen. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lab, waitFor, type MeshNode } from '../vm/harness/index.js';
import { comparable, differences, summary, verdictOn, type Judgement } from './compare.js';
import { Place, type Family } from './place.js';
import type { Situation } from './situation.js';

const CGROUPS = '/sys/fs/cgroup/tlshub-lab';
const NODES: readonly MeshNode[] = ['a', 'b'];
const PATIENCE_MS = 20_000;

/** Everything that the situation has left running. */
function clear(places: readonly Place[]): void {
  for (const place of places) place.end();
  for (const cgroup of ['a', 'b', 'outside']) {
    const kill = join(CGROUPS, cgroup, 'cgroup.kill');
    if (existsSync(kill)) writeFileSync(kill, '1');
  }
  for (const place of places) rmSync(place.folder, { recursive: true, force: true });
}

/** What is wrong with the connections that the agents know of; empty when all is as it must be. */
async function connectionsOf(plain: Place, secured: Place, least: number): Promise<string> {
  const flowsOf = async (place: Place): ReturnType<typeof lab.flows> => {
    const flows = (await Promise.all(NODES.map((node) => lab.flows(node)))).flat();
    // What stays on a node is nobody's business.
    return flows.filter(({ src, dst, dport }) => place.has(dport) && src !== dst);
  };
  if ((await flowsOf(plain)).length > 0) return 'the plain run was captured';
  const settled = async (): Promise<boolean> =>
    (await flowsOf(secured)).every(({ state }) => state !== 'held' && state !== 'negotiating');
  await waitFor(settled, PATIENCE_MS, 'all connections to be decided').catch(() => false);
  const flows = (await flowsOf(secured)).filter(({ role }) => role === 'active');
  // A program may end a connection before anything was sent: its gate was never opened.
  const unopened = flows.filter(
    ({ state, kernelUlp, holdMs }) => state === 'closed' && kernelUlp === null && holdMs === null,
  );
  const open = flows.filter(
    (flow) => !unopened.includes(flow) && (flow.kernelUlp !== 'tls' || !['secured', 'closed'].includes(flow.state)),
  );
  if (open.length > 0) {
    const told = open.map(
      ({ dport, state, reason, kernelUlp }) => `to ${dport}: ${state}, ULP ${kernelUlp}, ${reason}`,
    );
    return `${open.length} of ${flows.length} connections not secured: ${told.slice(0, 3).join('; ')}`;
  }
  const count = flows.length - unopened.length;
  return count < least ? `${count} connections secured, not ${least}` : '';
}

/** The situation in one way; what it threw, if it did. */
async function run(situation: Situation, place: Place): Promise<string> {
  try {
    await situation.run(place);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function shows(place: Place, text: string | RegExp): boolean {
  const printed = place.steps.map(({ stdout, stderr }) => stdout + stderr).join('\n');
  return typeof text === 'string' ? printed.includes(text) : text.test(printed);
}

const tail = (text: string): string => JSON.stringify(text.slice(-600));

/** How often a system call was interrupted, or would have had to wait, by the traces of a way. */
function counted(folder: string, way: string): string {
  const traces = readdirSync(folder).filter((file) => file.startsWith(`${way}.`));
  const text = traces.map((file) => readFileSync(join(folder, file), 'latin1')).join('\n');
  const of = (name: string): number => text.split(` ${name} `).length - 1;
  return `EINTR ${of('EINTR')}, EAGAIN ${of('EAGAIN')}`;
}

export interface Way {
  family: Family;
  /** no agents: only whether the situations work on plain TCP */
  plainOnly: boolean;
  /** where traces of what differs are left */
  out: string;
}

/** @param number its place in the list of all: its ports and folders */
export async function judge(situation: Situation, number: number, { family, plainOnly, out }: Way): Promise<Judgement> {
  const first = await once(situation, number, family, plainOnly);
  if (first.verdict !== 'differs') return first;
  // What differs is seen once more, by strace: for whoever looks for the reason.
  const traces = join(out, 'traces', situation.name.replace(/\W+/g, '-'));
  rmSync(traces, { recursive: true, force: true });
  mkdirSync(traces, { recursive: true });
  const second = await once(situation, number, family, false, traces);
  const again = second.verdict === first.verdict ? 'so it does under strace' : `under strace: ${second.verdict}`;
  const calls = `plain ${counted(traces, 'plain')}; secured ${counted(traces, 'secured')}`;
  return { ...first, detail: `${first.detail} (${again}; ${calls})` };
}

async function once(
  situation: Situation,
  number: number,
  family: Family,
  plainOnly: boolean,
  traces?: string,
): Promise<Judgement> {
  const plain = new Place('plain', family, number, traces);
  const secured = new Place('secured', family, number, traces);
  try {
    const ways = plainOnly ? [plain] : [plain, secured];
    const [plainError = '', securedError = ''] = await Promise.all(ways.map((place) => run(situation, place)));
    const [one, other] = [plain, secured].map((place) => comparable(place, situation.varies ?? []));
    const said = { plain: summary(one!), secured: plainOnly ? '' : summary(other!) };
    if (plainError !== '') return { verdict: 'broken', ...said, detail: `plain: ${plainError}` };
    if (
      !shows(plain, situation.says) ||
      plain.steps.some(({ status = '0' }) => !(situation.statuses ?? ['0']).includes(status))
    ) {
      return {
        verdict: 'broken',
        ...said,
        detail: `plain: ${plain.steps.map((step) => `${step.what} ${step.status}: ${tail(step.stdout + step.stderr)}`).join('; ')}`,
      };
    }
    if (plainOnly) return { verdict: 'same', ...said, detail: '' };
    const lines = differences(one!, other!);
    if (securedError !== '') lines.unshift(`secured: ${securedError}`);
    const connections = await connectionsOf(plain, secured, situation.connections ?? 1);
    if (connections !== '') lines.push(connections);
    const detail = lines.join('\n');
    return { verdict: verdictOn(situation, detail), ...said, detail };
  } finally {
    clear([plain, secured]);
  }
}
