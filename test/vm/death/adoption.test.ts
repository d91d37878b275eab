/**
 * A new agent takes the gate of a dead one over: watched at every step of it, with any one of them failing, and killed at any. The agent is
 * native/hammer/gate_adopter.cc: its gate is the real one, and it has no other parts.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type Program } from '../harness/index.js';
import { B, TALKER } from './support.js';

const ADOPTER = resolve('dist/native/gate_adopter');
const OBJECT = resolve('dist/bpf/tlshub.bpf.o');
const BPFTOOL = '/usr/sbin/bpftool';
const PINS = '/sys/fs/bpf/tlshub-adoption';
const CGROUPS = '/sys/fs/cgroup/tlshub-lab';
/** Of native/hammer/gate_adopter.cc */
const PORT = 7950;

/** Steps that are tried of all there are. */
const SAMPLES = 10;

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
}

/** @param mesh what the agent's mesh has beside node b */
async function adopt(options: string[], policy: string, mesh: string, ...cgroups: string[]): Promise<Ended> {
  const paths = ['a', ...cgroups].map((name) => `${CGROUPS}/${name}`);
  const command = [ADOPTER, ...options, OBJECT, PINS, policy, `${B},${mesh}`, ...paths];
  const { code, signal, stdout } = await lab.exec('a', command, { outside: true });
  return { code, signal, stdout };
}

/** Runs several commands of bpftool in one go: it takes its time to start. */
function bpftool(...commands: string[]): unknown[] {
  const options = { encoding: 'utf8', input: `${commands.join('\n')}\n`, maxBuffer: 64 << 20 } as const;
  const results = JSON.parse(execFileSync(BPFTOOL, ['-j', '-f', 'batch', 'file', '-'], options)) as {
    output: unknown;
  }[];
  return results.map(({ output }) => output);
}

interface Link {
  id: number;
  prog_id: number;
  cgroup_id?: number;
  pinned?: string[];
}

/** What programs are attached, and where: each as often as it is. */
function attachedBy(links: unknown, programs: unknown): string[] {
  const names = new Map((programs as { id: number; name?: string }[]).map(({ id, name = '' }) => [id, name]));
  return (links as Link[]).map((link) => `${names.get(link.prog_id)} ${link.cgroup_id ?? ''}`).sort();
}

function attached(): string[] {
  const [links, programs] = bpftool('link show', 'prog show');
  return attachedBy(links, programs);
}

/** The gate as it is pinned: which link each pin is of, and what lies in the maps that settings are written to. */
function picture(): unknown {
  const maps = ['settings', 'mesh', 'policy', 'rules', 'scope_ids', 'dups'].filter((map) =>
    existsSync(`${PINS}/maps/${map}`),
  );
  const dumps = maps.map((map) => `map dump pinned ${PINS}/maps/${map}`);
  const [links, programs, ...contents] = bpftool('link show', 'prog show', ...dumps);
  return {
    pins: (links as Link[]).flatMap(({ id, pinned = [] }) => pinned.map((path) => `${path} ${id}`)).sort(),
    maps: readdirSync(`${PINS}/maps`),
    contents: contents.map((dump) => (dump as unknown[]).map((each) => JSON.stringify(each)).sort()),
    attached: attachedBy(links, programs),
  };
}

/** Some numbers up to `count`, the first and the last among them. */
const samples = (count: number): number[] =>
  Array.from({ length: SAMPLES }, (_, i) => 1 + Math.round((i * (count - 1)) / (SAMPLES - 1)));

const callsOf = ({ stdout }: Ended): number => Number(/^(\d+) calls/m.exec(stdout)?.[1]);

describe('the gate of a dead agent', () => {
  let listener: Program;
  let calls: number;

  before(async () => {
    await lab.up({ bare: true });
    for (const name of ['one', 'two', 'three']) mkdirSync(`${CGROUPS}/${name}`, { recursive: true });
    listener = lab.spawn('b', [TALKER, 'accept', `${PORT}`]);
    await listener.listening(PORT);
    expect((await adopt([], 'strict', '10.77.0.9', 'one')).stdout).to.match(/^made\n/);
  });

  after(async () => {
    await listener.stop();
    execFileSync('rm', ['-rf', PINS]);
    for (const name of ['one', 'two', 'three']) rmdirSync(`${CGROUPS}/${name}`);
    await lab.down();
  });

  it('holds at every step of being taken over, for programs that were captured before and are after', async () => {
    const watched = await adopt(['--watch'], 'permissive', '10.77.0.8', 'two');
    calls = callsOf(watched);
    expect(watched.stdout).to.match(/^adopted\n\d+ calls, 0 times open\n$/);
    // Each of some thirty programs is attached, pinned and put in an old one's place.
    expect(calls).to.be.greaterThan(90);
  });

  it('is as it was if any of the steps fails', async () => {
    let failures = 0;
    let before = picture();
    for (const n of samples(calls)) {
      const { code, stdout } = await adopt(['--fail', `${n}`], 'strict', '10.77.0.7', 'three');
      if (code === 3) {
        failures++;
        expect(stdout, `step ${n}`).to.match(/^failed: .*Cannot allocate memory/);
        expect(stdout, `step ${n}`).to.not.include('put back');
        expect(picture(), `after step ${n} (${stdout})`).to.deep.equal(before);
      } else {
        // A step that need not succeed, such as clearing away.
        expect(stdout, `step ${n}`).to.match(/^adopted\n/);
        before = picture();
      }
    }
    expect(failures).to.be.greaterThan(SAMPLES / 3);
  });

  it('is as it was if a cgroup of the new agent is none', async () => {
    const before = picture();
    const { code, stdout } = await adopt([], 'permissive', '10.77.0.6', 'two', '../../../../tmp');
    expect({ code, stdout }).to.deep.equal({
      code: 3,
      stdout: `failed: ${CGROUPS}/../../../../tmp is no folder of the cgroup2 hierarchy\n`,
    });
    expect(picture()).to.deep.equal(before);
  });

  it('has every program attached wherever its successor is killed, and nothing of that one is left after the next', async () => {
    expect((await adopt([], 'strict', '10.77.0.5', 'two')).stdout).to.match(/^adopted\n/);
    const before = attached();
    for (const n of samples(calls)) {
      const { signal } = await adopt(['--kill', `${n}`], 'strict', '10.77.0.5', 'two');
      expect(signal, `step ${n}`).to.equal('SIGKILL');
      expect(attached(), `killed before step ${n}`).to.include.members(before);
    }
    expect((await adopt([], 'strict', '10.77.0.5', 'two')).stdout).to.match(/^adopted\n/);
    expect(attached()).to.deep.equal(before);
    expect(readdirSync(`${PINS}/links`).filter((name) => name.includes('~'))).to.deep.equal([]);
  });
});
