// SPDX-License-Identifier: Apache-2.0
/**
 * A blocking client that is held, below a parent that looks after its children: those that stop when their child does wait for somebody to
 * continue them, and a debugger tells its user. None of them may notice. redis-cli is the client.
 */
import { expect } from 'chai';
import { patience } from '../../speed.js';
import { lab, waitFor, type Program, type Result } from '../harness/index.js';
import { PEER } from '../harness/peer.js';
import { inThePatientLab, lateServer, onMeshAndPlain, redis, withoutStops } from './support.js';

const REDIS = 7100;
const LATE = 7101;
const PATIENCE = 20_000;

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
  'python pty': (command) => ['/usr/bin/python3', '-c', PYTHON_PTY, ...command],
  'node spawnSync': (command) => ['node', '-e', NODE, ...command],
  'php passthru': (command) => ['php', '-n', '-r', PHP, '--', ...command],
  'ruby system': (command) => ['ruby', '-e', 'system(*ARGV); exit $?.exitstatus', ...command],
  'a script of sh': (command) => ['sh', '-c', `echo ${text(command)} | sh`],
  'a script of bash': (command) => ['bash', '-c', `bash <(echo '${text(command)}; exit $?')`],
  parallel: (command) => ['parallel', '--will-cite', ...command.slice(0, -1), ':::', ...command.slice(-1)],
  flock: (command) => ['sh', '-c', `flock $(mktemp) ${text(command)}`],
  fakeroot: (command) => ['fakeroot', ...command],
  bwrap: (command) => ['bwrap', '--dev-bind', '/', '/', ...command],
  expect: (command) => ['expect', '-c', `spawn -noecho ${text(command)}`, '-c', EXPECT],
  tmux: (command) => ['sh', '-c', TMUX, 'sh', text(command)],
  screen: (command) => ['sh', '-c', SCREEN, 'sh', text(command)],
  runsv: (command) => ['sh', '-c', RUNSV, 'sh', text(command)],
};
const PYTHON = 'import subprocess, sys; print(subprocess.run(sys.argv[1:], capture_output=True).stdout)';
const PYTHON_PTY = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';
const NODE = `const [command, ...args] = process.argv.slice(1);
  process.exitCode = require('child_process').spawnSync(command, args, { stdio: 'inherit' }).status;`;
const PHP = 'passthru(implode(" ", array_slice($argv, 1)), $status); exit($status);';
const EXPECT = 'expect { PONG {} eof { exit 2 } timeout { exit 3 } }; expect eof; exit [lindex [wait] 3]';
/** Its server is a process of its own, and ends with the last session. */
const TMUX = `out=$(mktemp)
  tmux -L $$ -f /dev/null new -d "$1 >$out 2>&1; tmux -L $$ wait -S over"
  tmux -L $$ wait over 2>/dev/null
  cat $out`;
/** Two of them at once would both make its folder. */
const SCREEN = 'export SCREENDIR=$(mktemp -d); out=$(mktemp); screen -D -m sh -c "$1 >$out 2>&1"; cat $out';
/** Its service ends it. */
const RUNSV = `service=$(mktemp -d)
  printf '#!/bin/sh\n%s\nkill $PPID\n' "$1" >$service/run
  chmod +x $service/run
  runsv $service`;

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

describe('a client that gives a held connection up does not stop', () => {
  inThePatientLab();
  withoutStops();
  let server: Program;
  before(async () => {
    server = await lateServer(LATE);
  });
  after(() => server.stop());

  for (const name of ['runuser', 'sudo', 'script'] as const) {
    it(`${name}: status and output are as on plain TCP`, async () => {
      const client = (host: string): string[] => [PEER, `connect:${host}:${LATE}`, `sleep:${patience(2000)}`, 'close'];
      const both = onMeshAndPlain((host) => NOTICING[name]!(client(host)));
      const negotiated = async (): Promise<boolean> =>
        (await lab.flows('a')).some(({ dport, state }) => dport === LATE && state === 'negotiating');
      await waitFor(negotiated, PATIENCE, 'its handshake');
      const { mesh, plain } = await both;
      expect(plain, JSON.stringify(plain)).to.include({ code: 0, signal: null });
      expect(mesh).to.deep.equal(plain);
    });
  }
});

describe('a held client has a parent that minds nothing', () => {
  inThePatientLab();
  before(() => redis(REDIS));
  tests(OTHERS);
});
