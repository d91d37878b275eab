// SPDX-License-Identifier: Apache-2.0
/** scripts/vm-attach, both ends of it, over a pseudo-terminal in the place of the machine's port. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { patience } from '../speed.js';
import { temporaryFolder } from './support/temporary.js';

describe('vm-attach', function () {
  this.timeout(patience(60_000));
  const at = temporaryFolder();
  const children: ChildProcess[] = [];
  let sessions = 0;
  let socket: string;

  before(() => writeFileSync(at('runner'), `cd ${at('')}\nexport WHERE=machine\nexec "$@"\n`));
  beforeEach(async () => {
    const port = at(`port${++sessions}`);
    socket = at(`attach${sessions}`);
    children.push(spawn('socat', [`PTY,link=${port},rawer`, `UNIX-LISTEN:${socket}`], { stdio: 'ignore' }));
    while (!existsSync(socket)) await sleep(20);
    children.push(spawn('python3', ['scripts/vm-attach', 'guest', port, at('runner')], { stdio: 'inherit' }));
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  const attach = (command: string[], input = ''): { status: number | null; stdout: string; stderr: string } =>
    spawnSync('python3', ['scripts/vm-attach', 'host', socket, ...command], {
      encoding: 'utf8',
      input,
      maxBuffer: 1 << 24,
      timeout: patience(30_000),
    });
  const onTerminal = (command: string, ...answers: [mark: string, text: string][]): ReturnType<typeof attach> => {
    writeFileSync(at('terminal'), `stty cols 101 rows 33\nexec python3 scripts/vm-attach host ${socket} ${command}\n`);
    return spawnSync('python3', ['test/programs/type-into.py', 'bash', at('terminal')], {
      encoding: 'utf8',
      input: JSON.stringify(answers),
      timeout: patience(30_000),
    });
  };

  it('passes arguments as they are, both outputs apart, and the exit status', () => {
    const { status, stdout, stderr } = attach(['bash', '-c', 'echo "$WHERE: $1"; echo bad >&2; exit 7', '_', "a  b'c"]);
    expect([status, stdout, stderr]).to.deep.equal([7, "machine: a  b'c\n", 'bad\n']);
  });

  it('passes input to its end', () => {
    expect(attach(['wc', '-c'], 'x'.repeat(300_000)).stdout.trim()).to.equal('300000');
  });

  it('passes much output whole', () => {
    expect(attach(['seq', '200000']).stdout).to.equal(
      `${Array.from({ length: 200_000 }, (_, n) => n + 1).join('\n')}\n`,
    );
  });

  it('gives a shell on a terminal that is as large as this one, and its status', () => {
    const { status, stdout } = onTerminal('bash --norc', ['# ', 'stty size; echo "in the $WHERE"; exit 5\n']);
    expect(stdout)
      .to.match(/^33 101\r$/m)
      .and.match(/^in the machine\r$/m);
    expect(status).to.equal(5);
  });

  it('lets Ctrl-C reach the program, not the session', () => {
    const script = `'trap "echo caught; exit 6" INT; echo ready; while :; do sleep 0.1; done'`;
    const { status, stdout } = onTerminal(`bash -c ${script}`, ['ready', '\u0003']);
    expect(stdout).to.match(/caught\r$/m);
    expect(status).to.equal(6);
  });

  it('is for one at a time, and says so; and that nothing is there', async () => {
    const first = spawn('python3', ['scripts/vm-attach', 'host', socket, 'cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    first.stdin.write('there\n');
    await new Promise((heard) => first.stdout.once('data', heard));
    const second = attach(['true']);
    expect(second.status).to.equal(1);
    expect(second.stderr).to.match(/^vm: another terminal is attached to this machine: one at a time\n$/);
    const ended = new Promise((code) => first.once('close', code));
    first.stdin.end();
    expect(await ended).to.equal(0);
    const nothing = spawnSync('python3', ['scripts/vm-attach', 'host', at('nowhere'), 'true'], { encoding: 'utf8' });
    expect(nothing.status).to.equal(1);
    expect(nothing.stderr).to.match(/^vm: the machine does not answer at .*nowhere: No such file or directory\n$/);
  });

  it('scripts/vm --attach says when no machine is up', () => {
    const env = { ...process.env, TMPDIR: at('') };
    const { status, stderr } = spawnSync('scripts/vm', ['--attach'], { encoding: 'utf8', env });
    expect(status).to.equal(69);
    expect(stderr).to.match(/^vm: no machine to attach to is up: npm start -- --keep makes one/);
  });
});
