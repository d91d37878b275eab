// SPDX-License-Identifier: Apache-2.0
/**
 * A blocking client that is held, below a parent that looks after its children: those that stop when their child does wait for somebody to
 * continue them, and a debugger tells its user. None of them may notice. redis-cli is the client.
 */
import { expect } from 'chai';
import { lab, type Result } from '../harness/index.js';
import { inThePatientLab, onMeshAndPlain, redis, withoutStops } from './support.js';

const REDIS = 7100;

type Wrapper = (command: string[]) => string[];
const text = (command: string[]): string => command.join(' ');
/** Without a terminal a shell has no job control. */
const onTerminal = (command: string): string[] => ['script', '-qec', command, '/dev/null'];

/** Parents that do something about a child that is stopped; a shell with job control says so, or takes it for its end. */
const NOTICING: Record<string, Wrapper> = {
  runuser: (command) => ['runuser', '-u', 'nobody', '--', ...command],
  sudo: (command) => ['sudo', '-n', '-u', 'nobody', ...command],
  script: (command) => onTerminal(text(command)),
  gdb: (command) => ['gdb', '-nx', '-q', '-batch', '-ex', 'run', '--args', ...command],
  'strace, which prints signals': (command) => ['strace', '-f', '-e', 'trace=none', ...command],
  'bash with job control': (command) => onTerminal(`bash -mc '${text(command)} & wait %1'`),
  'bash with job control, in the foreground': (command) => onTerminal(`bash -mc '${text(command)}; exit $?'`),
  'dash with job control': (command) => onTerminal(`dash -mc '${text(command)}; exit $?'`),
  'busybox sh with job control': (command) => onTerminal(`busybox sh -mc '${text(command)}; exit $?'`),
};

/** Those that were found to do nothing about it. */
const OTHERS: Record<string, Wrapper> = {
  su: (command) => ['su', 'nobody', '-s', '/bin/sh', '-c', text(command)],
  timeout: (command) => ['timeout', '50', ...command],
  setsid: (command) => ['setsid', '-w', ...command],
  'zsh with job control': (command) => onTerminal(`zsh -fmc '${text(command)} & wait'`),
  'unshare --fork --pid': (command) => ['unshare', '--fork', '--pid', ...command],
  xargs: (command) => ['sh', '-c', `echo ${command.at(-1)} | xargs ${text(command.slice(0, -1))}`],
  make: (command) => ['make', '-s', '--eval', `all:;@${text(command)}`],
  'perl system': (command) => ['perl', '-e', 'exit(system(@ARGV) >> 8)', ...command],
  'python subprocess': (command) => ['/usr/bin/python3', '-c', PYTHON, ...command],
};
const PYTHON = 'import subprocess, sys; print(subprocess.run(sys.argv[1:], capture_output=True).stdout)';

/** Without what differs between two runs of anything: numbers of processes. */
function comparable({ code, signal, stdout, stderr }: Result): Result {
  const plain = (said: string): string => said.replace(/\d+/g, 'N');
  return { code, signal, stdout: plain(stdout), stderr: plain(stderr) };
}

function tests(wrappers: Record<string, Wrapper>): void {
  for (const [name, wrapper] of Object.entries(wrappers)) {
    it(`${name}: status and output are as on plain TCP`, async () => {
      const client = (host: string): string[] => ['redis-cli', '-h', host, '-p', String(REDIS), 'ping'];
      const { mesh, plain } = await onMeshAndPlain((host) => wrapper(client(host)));
      expect(plain, JSON.stringify(plain)).to.include({ code: 0, signal: null });
      expect(plain.stdout).to.include('PONG');
      expect(comparable(mesh)).to.deep.equal(comparable(plain));
    });
  }
}

describe('a held client does not stop', () => {
  inThePatientLab();
  withoutStops();
  before(() => redis(REDIS));
  tests(NOTICING);

  it('each of them was held', async () => {
    const flows = (await lab.flows('a')).filter(({ dport }) => dport === REDIS);
    expect(flows.length).to.equal(Object.keys(NOTICING).length);
    for (const flow of flows) expect(flow, JSON.stringify(flow)).to.include({ hold: 'sleep', secured: true });
  });
});

describe('a held client has a parent that minds nothing', () => {
  inThePatientLab();
  before(() => redis(REDIS));
  tests(OTHERS);
});
