// SPDX-License-Identifier: Apache-2.0
/** What README and the guide print that takes a kernel: the agent on a host by hand ("On a host"), the lab, the load tool; each as it is printed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { printedBlock, printedCommands } from '../../printed.js';
import { lab, waitFor } from '../harness/index.js';

const PATIENCE = 60_000;
const BIN = '/tmp/printed-bin';

interface Ended {
  code: number | null;
  out: string;
}

function bash(script: string, env: NodeJS.ProcessEnv = {}): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn('bash', ['-c', script], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, out })));
  return { child, ended };
}

const command = (file: string, begin: string): string => {
  const found = printedCommands(file).find((one) => one.command.startsWith(begin));
  if (found === undefined) throw new Error(`${file} prints no command that begins with ${begin}`);
  return found.text;
};

describe('what README prints', () => {
  describe('"On a host"', () => {
    let agent: ReturnType<typeof bash> | undefined;
    after(async () => {
      agent?.child.kill('SIGINT');
      await agent?.ended;
    });

    it('leads to an agent that is ready, whose status has nothing to mend but an empty mapping', async () => {
      const lines = printedBlock('README.md', 'pki init').split('\n');
      expect(lines[0]).to.equal('scripts/setup --product && scripts/build --product');
      const last = lines.at(-1) ?? '';
      expect(last).to.match(/^node dist\/supervisor\.js \/etc\/tlshub\/capture\.conf/);
      const before = await bash(`set -e\n${lines.slice(1, -1).join('\n')}`).ended;
      expect(before.code, before.out).to.equal(0);
      agent = bash(`exec ${last}`);
      const ready = await bash('node dist/cli/tlshubctl.js status --ready --wait 60').ended;
      expect(ready.code, ready.out).to.equal(0);
      expect(ready.out).to.match(/^! ready: new connections of \S+ are secured, but there is a warning\n/);
      expect(ready.out).to.include('TLSHUB_MAPPING_EMPTY').and.not.include('TLSHUB_CGROUP_AWAITED');
      expect(ready.out).to.match(/^certificate +\S+, by TLSHub lab CA, until /m);
    });

    it('captures a shell by the line of the guide; a peer that is in no mapping is refused, and named', async () => {
      const guide = 'docs/INTEGRATION_GUIDE.md';
      const shell = [command(guide, 'echo $$ >'), command(guide, 'curl http')].join('\n');
      const { code, out } = await bash(shell).ended;
      expect(code, out).to.equal(7);
      const refused = await bash('node dist/cli/tlshubctl.js flows --state refused -o wide').ended;
      expect(refused.out).to.match(/^refused +\S+ +curl \(\d+\) +- +10\.1\.1\.20:80 .*TLSHUB_PEER_UNKNOWN/m);
    });
  });

  it('takes the lab up, and shows a flow that is secured', async () => {
    const printed = command('README.md', "scripts/vm -- bash -c 'scripts/lab up");
    const inside = /'([\s\S]*)'/.exec(printed)?.[1] ?? '';
    const { code, out } = await bash(inside).ended;
    expect(code, out).to.equal(0);
    expect(out).to.match(/^# TLShub-eBPF$/m);
    expect(out).to.match(/^(secured|closed) +\S+ +curl \(\d+\) .* 10\.77\.0\.2:8000 +b +/m);
    await bash('scripts/lab down').ended;
  });

  describe('npm start', () => {
    it('shows a control that the sniffer reads, and the same captured that it does not; three commands, no escape codes in a file', async () => {
      const { code, out } = await bash('scripts/demo --vm', { TERM: 'xterm' }).ended;
      expect(code, out).to.equal(0);
      expect(out).to.include('Not captured, the sniffer reads: GET / HTTP/1.1\n');
      expect(out).to.match(/│ not captured +│ [1-9]\d* +│ [1-9]\d* +│ 0 +│ can be read +│/);
      expect(out).to.match(/│ captured +│ [1-9]\d* +│ 0 +│ [1-9]\d* +│ is nowhere +│/);
      expect(out).to.match(/^plaintext frames: 0$/m);
      // Each of the two pages was fetched, over IPv4 and IPv6, and is known at both ends.
      for (const node of ['a', 'b'])
        expect(out.match(new RegExp(`^│ ${node} +│ .* openssl .* tls +│$`, 'gm')), out).to.have.length(2);
      const isEmulated = readFileSync('/proc/cpuinfo', 'latin1').includes('TCG');
      expect(/held \(ms, emulated\)/.test(out) && /agents \(emulated\)/.test(out)).to.equal(isEmulated);
      expect(out).to.match(/\nThree commands to try:\n( {2}\S.*\n){3}$/);
      expect(out).to.not.include('\u001b');
    });

    it('with --keep stays up and says how to get in; what it says to try there works', async () => {
      const kept = spawn('bash', ['-c', 'exec scripts/demo --vm --keep --colour --columns 80'], {
        stdio: ['ignore', 'pipe', 'inherit'],
        detached: true,
      });
      let out = '';
      kept.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      const ended = new Promise((resolve) => kept.once('close', resolve));
      try {
        await waitFor(() => Promise.resolve(/flows` says why\n/.test(out)), PATIENCE * 3, 'the demonstration');
        expect(out)
          .to.match(/until Ctrl-C.*\n {2}scripts\/vm --attach\n/)
          .and.include('\u001b[1m');
        const tried = [...out.matchAll(/^ {2}(scripts\/lab .*?) {2,}/gm)].map(([, text = '']) => text);
        expect(tried).to.have.length(3);
        const [fetched, flows, refused] = [
          await bash(tried[0]!).ended,
          await bash(tried[1]!).ended,
          await bash(tried[2]!).ended,
        ];
        expect(fetched.out).to.match(/^Hello from nginx: /);
        expect(flows.out).to.match(/^(secured|closed) .* 10\.77\.0\.2:80 /m);
        expect(refused.code, refused.out).to.be.above(0);
        expect(refused.out).to.not.include('Hello');
        expect((await bash(tried[1]!).ended).out).to.match(/^refused .* 10\.77\.0\.2:8080 .*TLSHUB_/m);
      } finally {
        process.kill(-kept.pid!, 'SIGTERM');
        await ended;
        await bash('scripts/lab down').ended;
      }
    });
  });

  it('measures a load with tlshub_bench', async () => {
    mkdirSync(BIN, { recursive: true });
    symlinkSync(resolve('dist/cli/tlshub_bench.js'), `${BIN}/tlshub_bench`);
    await lab.up();
    try {
      const file = 'docs/TLS_PERF_ANALYSIS.md';
      const env = { PATH: `${BIN}:${process.env.PATH}` };
      const server = lab.spawn('b', ['bash', '-c', `exec ${command(file, 'tlshub_bench -m server')}`], {
        env,
        cwd: '/tmp',
      });
      await server.listening(9090);
      for (const { text } of printedCommands(file).filter((one) => one.command.startsWith('tlshub_bench -m client'))) {
        const { code, stdout, stderr } = await lab.exec('a', ['bash', '-c', text], {
          env,
          cwd: '/tmp',
          timeoutMs: 90_000,
        });
        expect(code, stdout + stderr).to.equal(0);
      }
      await server.stop();
      await waitFor(async () => (await lab.status('a')).totals.secured > 0, PATIENCE, 'secured connections');
    } finally {
      await lab.down();
    }
  });
});
