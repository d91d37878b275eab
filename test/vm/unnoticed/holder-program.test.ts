// SPDX-License-Identifier: Apache-2.0
/**
 * The holder by itself: maps that are as the gate's, threads that go to sleep on it as BPF would have them do, and the guardian that watches it.
 * Who is answered first says who was woken: a thread that nothing wakes looks again only after a while. The machine may stand still for that
 * long, so it is tried more than once.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { waitFor } from '../harness/index.js';
import { temporaryFolder } from '../../unit/support/temporary.js';

const HOLDER = resolve('dist/native/tlshub-holder');
const GUARDIAN = resolve('dist/native/tlshub-guardian');
const PINS = '/sys/fs/bpf/holder-test';
const SLEEPERS = resolve('build/programs/sleepers');
const LEASE_MS = '2000';
const ROUNDS = 10;
const PATIENCE = 30_000;
const FOR_LONG = 600_000;
const OTHER = 5;
const FLOW = 7;
/** USER_HZ, which proc(5) counts in, is 100 everywhere. */
const MS_PER_TICK = 10;
const LINE = /^(\d+) (\w+)$/gm;

interface Leases {
  agent: number;
  holder: number;
  tgid: number;
  startBoottime: string;
  sleepOn: number;
}

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

class Running {
  output = '';
  readonly pid: number;
  readonly ended: Promise<Ended>;

  constructor(private readonly child: ChildProcess) {
    if (child.pid === undefined) throw new Error('it cannot be started');
    this.pid = child.pid;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    }
    this.ended = new Promise((done) => child.once('close', (code, signal) => done({ code, signal })));
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Of `sleepers sleep`: the cookies in the order in which their threads had their last answer, each with that. */
  get answers(): string[] {
    return [...this.output.matchAll(LINE)].map(([line]) => line);
  }

  says(word: string): Promise<true> {
    return waitFor(
      () => this.output.includes(word),
      PATIENCE,
      () => `"${word}"; it said: ${this.output}`,
    );
  }
}

describe('the holder', () => {
  const path = temporaryFolder();
  const started: Running[] = [];
  let wakes = -1;

  const start = (program: string, args: readonly string[], third: number | 'ignore' = 'ignore'): Running => {
    const one = new Running(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe', third] }));
    started.push(one);
    return one;
  };
  const sleepers = (command: string, ...args: (string | number)[]): string =>
    execFileSync(SLEEPERS, [command, PINS, ...args.map(String)], { encoding: 'utf8' }).trim();
  const leases = (): Leases => JSON.parse(sleepers('leases')) as Leases;
  /** Threads, each for a flow and with how many ms it wants to sleep at most. */
  const sleep = async (looks: number, ...flows: [cookie: number, ms: number][]): Promise<Running> => {
    const all = start(SLEEPERS, ['sleep', PINS, String(looks), ...flows.map((flow) => flow.join(':'))]);
    await waitFor(() => all.output.split('asleep ').length > flows.length, PATIENCE, 'threads to fall asleep');
    return all;
  };
  const wake = (cookie: number): void => {
    const word = Buffer.alloc(8);
    word.writeBigUInt64LE(BigInt(cookie));
    writeSync(wakes, word);
  };
  const options = (): string[] => ['--pin-dir', PINS, '--lease-ms', LEASE_MS, '--wakes-fd', '3'];
  const startHolder = async (): Promise<Running> => {
    const reader = openSync(path('wakes'), constants.O_RDONLY | constants.O_NONBLOCK);
    const holder = start(HOLDER, options(), reader);
    closeSync(reader);
    await waitFor(
      () => leases().tgid === holder.pid && leases().sleepOn !== 0,
      PATIENCE,
      () => `the holder to be there; it said: ${holder.output}`,
    );
    return holder;
  };
  const status = (pid: number, field: string): string =>
    new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
  const gone = (pid: number): Promise<true> =>
    waitFor(
      () => {
        try {
          return status(pid, 'State').startsWith('Z');
        } catch {
          return true;
        }
      },
      PATIENCE,
      `the end of ${pid}`,
    );
  /** In one of some rounds the flow's thread has its answer before the other one, which went to sleep before it. */
  const expectFirst = async (round: () => Promise<Running>): Promise<void> => {
    let first = '';
    for (let i = 0; i < ROUNDS && first !== `${FLOW} 1`; i++) {
      const all = await round();
      await all.ended;
      expect(all.answers).to.have.members([`${OTHER} 1`, `${FLOW} 1`]);
      first = all.answers[0] ?? '';
    }
    expect(first).to.equal(`${FLOW} 1`);
  };

  before(() => {
    execFileSync('modprobe', ['fuse']);
    mkdirSync(PINS);
    execFileSync('mkfifo', [path('wakes')]);
    wakes = openSync(path('wakes'), constants.O_RDWR | constants.O_NONBLOCK);
    sleepers('maps');
    sleepers('agent', FOR_LONG);
  });
  afterEach(async () => {
    for (const one of started) if (one.running) process.kill(one.pid, 'SIGKILL');
    await Promise.all(started.splice(0).map((one) => one.ended));
  });
  after(() => {
    closeSync(wakes);
    rmSync(PINS, { recursive: true });
  });

  it('says who it is, and has an anchor that runs a file which nobody else sees', async () => {
    const holder = await startHolder();
    const { tgid, startBoottime, sleepOn } = leases();
    expect(tgid).to.equal(holder.pid);
    const ticks = readFileSync(`/proc/${holder.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19];
    expect(Number(startBoottime)).to.equal(Number(ticks) * MS_PER_TICK * 1e6);
    expect(status(sleepOn, 'Name')).to.equal('tlshub-hold');
    expect(status(sleepOn, 'PPid')).to.equal(String(holder.pid));
    expect(readlinkSync(`/proc/${sleepOn}/exe`)).to.equal('/tlshub-hold');
    expect(readdirSync(`/proc/${sleepOn}/fd`)).to.deep.equal([]);
    for (const who of ['self', holder.pid]) {
      expect(readFileSync(`/proc/${who}/mountinfo`, 'utf8')).not.to.match(/ - fuse(\.\w+)? tlshub/);
    }
  });

  it('renews its lease for as long as it answers', async () => {
    const holder = await startHolder();
    await new Promise((done) => setTimeout(done, 2 * Number(LEASE_MS)));
    await waitFor(() => leases().holder > 0, PATIENCE, 'a lease that is good');
    process.kill(holder.pid, 'SIGSTOP');
    await waitFor(() => leases().holder < 0, PATIENCE, 'the lease of one that is stopped to run out');
    process.kill(holder.pid, 'SIGCONT');
    await waitFor(() => leases().holder > 0, PATIENCE, 'a lease that is good again');
  });

  it('puts nobody to sleep who is not noted, and knows no other attribute', async () => {
    await startHolder();
    const asked = ['user.hold', 'user.other', 'security.capability', 'user.hold'].map((name) => sleepers('ask', name));
    expect(asked).to.deep.equal(['1', 'ENODATA', 'ENODATA', '1']);
  });

  it('wakes those who sleep for a flow that was decided, and no others', async () => {
    await startHolder();
    await expectFirst(async () => {
      const all = await sleep(1, [OTHER, FOR_LONG], [FLOW, FOR_LONG]);
      wake(FLOW);
      return all;
    });
  });

  it('wakes one whose flow was decided just before it asked', async () => {
    await startHolder();
    await expectFirst(() => {
      wake(FLOW);
      return sleep(1, [OTHER, FOR_LONG], [FLOW, FOR_LONG]);
    });
  });

  it('lets nobody sleep longer than it wants', async () => {
    await startHolder();
    await expectFirst(() => sleep(1, [OTHER, FOR_LONG], [FLOW, 50]));
  });

  it('has everybody look again now and then', async () => {
    await startHolder();
    const all = await sleep(4, [OTHER, FOR_LONG]);
    await all.ended;
    expect(all.answers).to.deep.equal([`${OTHER} 1`]);
  });

  it('puts to sleep as any read() that waits does: a signal interrupts, and the process can be killed', async () => {
    await startHolder();
    const one = await sleep(1e9, [FLOW, FOR_LONG]);
    const tid = /asleep \d+ (\d+)/.exec(one.output)?.[1] ?? '';
    const thread = `/proc/${one.pid}/task/${tid}`;
    await waitFor(
      () => readFileSync(`${thread}/wchan`, 'utf8') === 'request_wait_answer',
      PATIENCE,
      () => `it to sleep on the holder, not in ${readFileSync(`${thread}/wchan`, 'utf8')}`,
      0,
    );
    expect(readFileSync(`${thread}/status`, 'utf8')).not.to.match(/^State:\s*D/m);
    await waitFor(
      () => {
        if (one.running) process.kill(one.pid, 'SIGUSR1');
        return !one.running;
      },
      PATIENCE,
      'a signal to interrupt it',
    );
    await one.ended;
    expect(one.answers).to.deep.equal([`${FLOW} EINTR`]);
    const other = await sleep(1e9, [FLOW, FOR_LONG]);
    process.kill(other.pid, 'SIGKILL');
    expect((await other.ended).signal).to.equal('SIGKILL');
  });

  it('has another anchor when one is killed, and those who sleep sleep on', async () => {
    await startHolder();
    const one = await sleep(1e9, [FLOW, FOR_LONG]);
    const { sleepOn } = leases();
    process.kill(sleepOn, 'SIGKILL');
    await waitFor(() => ![0, sleepOn].includes(leases().sleepOn), PATIENCE, 'another anchor');
    expect(sleepers('ask', 'user.hold')).to.equal('1');
    expect(one.answers).to.deep.equal([]);
    expect(one.running).to.equal(true);
  });

  it('hands over to a later one, and nobody notices', async () => {
    const earlier = await startHolder();
    const one = await sleep(1e9, [FLOW, FOR_LONG]);
    const later = await startHolder();
    expect(await earlier.ended).to.deep.equal({ code: 0, signal: null });
    expect(earlier.output).to.include('another holder is there').and.to.include('has handed over');
    expect(leases().tgid).to.equal(later.pid);
    expect(one.answers).to.deep.equal([]);
    expect(one.running).to.equal(true);
  });

  it('takes what it has said with it when it ends', async () => {
    const holder = await startHolder();
    const { sleepOn } = leases();
    process.kill(holder.pid, 'SIGTERM');
    expect(await holder.ended).to.deep.equal({ code: 0, signal: null });
    expect(leases()).to.include({ tgid: 0, sleepOn: 0, holder: 0 });
    await gone(sleepOn);
  });

  it('wakes all when it is killed, and its anchor ends with it', async () => {
    const holder = await startHolder();
    const all = await sleep(1e9, [OTHER, FOR_LONG], [FLOW, FOR_LONG]);
    const { sleepOn } = leases();
    process.kill(holder.pid, 'SIGKILL');
    await gone(sleepOn);
    await all.ended;
    // ENOTCONN: it was just about to look again.
    for (const answer of all.answers) expect(answer).to.match(/ (ECONNABORTED|ENOTCONN)$/);
    expect(all.answers).to.have.length(2);
  });

  it('is killed by the guardian when it does not answer', async () => {
    const agent = start('sleep', ['infinity']);
    const holder = await startHolder();
    const all = await sleep(1e9, [OTHER, FOR_LONG], [FLOW, FOR_LONG]);
    const values = ['--agent-pid', agent.pid, '--pin-dir', PINS, '--lease-ms', LEASE_MS, '--grace-ms', 0];
    const guardian = start(GUARDIAN, values.map(String));
    await new Promise((done) => setTimeout(done, 2 * Number(LEASE_MS)));
    expect(holder.running, 'one that answers').to.equal(true);
    process.kill(holder.pid, 'SIGSTOP');
    expect((await holder.ended).signal).to.equal('SIGKILL');
    await guardian.says(`the holder ${holder.pid} does not answer: killed`);
    await waitFor(() => leases().tgid === 0 && leases().sleepOn === 0, PATIENCE, 'its name to be taken away');
    await all.ended;
    expect(all.answers).to.have.length(2);
  });

  it('does not end while somebody sleeps, and ends when it has been alone for a while', async () => {
    try {
      sleepers('agent', 0);
      const holder = await startHolder();
      const one = await sleep(1e9, [FLOW, FOR_LONG]);
      await new Promise((done) => setTimeout(done, 12_000));
      expect(holder.running, 'somebody sleeps').to.equal(true);
      process.kill(one.pid, 'SIGKILL');
      expect((await holder.ended).code).to.equal(0);
      expect(holder.output).to.include('has been alone');
      expect(leases()).to.include({ tgid: 0, sleepOn: 0, holder: 0 });
    } finally {
      sleepers('agent', FOR_LONG);
    }
  });

  it('has nothing to do when nobody is there any more to say what was decided', async () => {
    const [reader, writer] = [constants.O_RDONLY, constants.O_WRONLY].map((how) =>
      openSync(path('wakes'), how | constants.O_NONBLOCK),
    ) as [number, number];
    closeSync(wakes);
    closeSync(writer);
    const holder = start(HOLDER, options(), reader);
    closeSync(reader);
    await waitFor(() => leases().tgid === holder.pid, PATIENCE, 'the holder');
    const usedMs = (): number => {
      const fields = readFileSync(`/proc/${holder.pid}/stat`, 'utf8').split(') ')[1]?.split(' ').slice(11, 13) ?? [];
      return fields.reduce((sum, ticks) => sum + Number(ticks) * MS_PER_TICK, 0);
    };
    const begun = performance.now() - usedMs();
    const all = await sleep(20, [FLOW, FOR_LONG]);
    await all.ended;
    wakes = openSync(path('wakes'), constants.O_RDWR | constants.O_NONBLOCK);
    expect(usedMs(), 'what it had of a processor, in ms').to.be.below((performance.now() - begun) / 2);
  });

  describe('says why it cannot be', () => {
    const result = (...command: string[]): string => {
      const [program = '', ...args] = command;
      const { status, stderr } = spawnSync(program, args, {
        stdio: ['ignore', 'ignore', 'pipe', wakes],
        encoding: 'utf8',
      });
      return `${status}: ${stderr}`;
    };

    it('outside of the host’s PID namespace', () => {
      const unshare = ['unshare', '--pid', '--fork', '--mount-proc'];
      expect(result(...unshare, HOLDER, ...options())).to.match(
        /^69: tlshub-holder: this is not the host's PID namespace/,
      );
    });

    it('without FUSE', () => {
      const hidden = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /dev && exec "$@"', 'sh'];
      expect(result(...hidden, HOLDER, ...options())).to.match(/^69: tlshub-holder: \/dev\/fuse: .*mknod/);
    });

    it('with arguments that make no sense', () => {
      expect(result(HOLDER)).to.match(/^64: usage/);
      expect(result(HOLDER, '--pin-dir', PINS, '--lease-ms', '-5', '--wakes-fd', '3')).to.match(/^64: .*-5/);
      expect(result(HOLDER, ...options(), 'more')).to.match(/^64: usage/);
      expect(result(HOLDER, ...options().with(5, '99'))).to.match(/^1: .*--wakes-fd/);
    });

    it('without the gate, or with one of another version', () => {
      expect(result(HOLDER, ...options().with(1, path('none')))).to.match(/^1: .*maps\/sleepers: bpf: No such file/);
      mkdirSync(`${PINS}/other`);
      execFileSync(SLEEPERS, ['maps', `${PINS}/other`]);
      execFileSync('mv', ['stops', 'sleepers'], { cwd: `${PINS}/other/maps` });
      expect(result(HOLDER, ...options().with(1, `${PINS}/other`))).to.match(/^1: .*another version/);
    });
  });
});
