// SPDX-License-Identifier: Apache-2.0
/** The lab without supervisors: that its nodes reach each other, and that its recording sees plaintext when there is some. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { execFileSync, spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { lab, waitFor } from './harness/index.js';

const script = (...args: string[]): string => execFileSync('scripts/lab', args, { encoding: 'utf8' });

describe('the lab', () => {
  before(() => lab.up({ bare: true }));
  after(() => lab.down());

  it('captures what runs in a node, not what runs outside', async () => {
    const { stdout } = await lab.exec('a', ['cat', '/proc/self/cgroup']);
    expect(stdout.trim()).to.equal('0::/tlshub-lab/a');
    const outside = await lab.exec('a', ['cat', '/proc/self/cgroup'], { outside: true });
    expect(outside.stdout.trim()).to.equal('0::/tlshub-lab/outside');
    expect(script('exec', 'b', '--', 'cat', '/proc/self/cgroup').trim()).to.equal('0::/tlshub-lab/b');
  });

  it('passes exit status, input and user', async () => {
    const { code, stdout, stderr } = await lab.exec('a', ['sh', '-c', 'cat; id -un >&2; exit 7'], {
      input: 'given',
      user: 'nobody',
    });
    expect({ code, stdout, stderr }).to.deep.equal({ code: 7, stdout: 'given', stderr: 'nobody\n' });
    expect(spawnSync('scripts/lab', ['exec', 'a', '--user', 'nobody', '--', 'sh', '-c', 'exit 9']).status).to.equal(9);
  });

  it('gives each node its addresses, usable at once', async () => {
    const { stdout } = await lab.exec('b', ['ip', '-brief', 'address', 'show', 'dev', 'eth0']);
    expect(stdout).to.include('10.77.0.2/24').and.to.include('fd77::2/64');
  });

  it('keeps cgroups and bpffs in sight inside the nodes', async () => {
    const { stdout } = await lab.exec('a', ['stat', '-fc', '%T', '/sys/fs/cgroup', '/sys/fs/bpf']);
    expect(stdout).to.equal('cgroup2fs\nbpf_fs\n');
  });

  for (const [family, address, url] of [
    ['IPv4', '10.77.0.2', 'http://10.77.0.2:8000/marked'],
    ['IPv6', 'fd77::2', 'http://[fd77::2]:8000/marked'],
  ] as const) {
    it(`records every frame between nodes, whole (${family})`, async () => {
      const marker = randomBytes(16).toString('hex');
      writeFileSync('/tmp/marked', randomBytes(3_000_000).toString('hex') + marker);
      const server = lab.spawn('b', ['/usr/bin/python3', '-m', 'http.server', '8000', '--bind', address], {
        cwd: '/tmp',
      });
      await server.listening(8000);
      const sniffer = await lab.sniff();
      const fetched = await lab.exec('a', ['sh', '-c', `curl -s '${url}' | sha256sum; sha256sum < /tmp/marked`]);
      const capture = await sniffer.stop();
      await server.stop();
      const [received, sent] = fetched.stdout.split('\n');
      expect(received).to.equal(sent);
      const response = capture.port(8000).find((stream) => stream.sport === 8000);
      expect(response?.gap).to.equal(false);
      expect(response?.data.subarray(-32).toString()).to.equal(marker);
      expect(response?.data.length).to.be.greaterThan(6_000_000);
      expect(capture.contains(marker)).to.equal(true);
      expect(capture.plaintextFrames).to.equal(capture.payloadFrames).and.to.be.greaterThan(0);
    });
  }

  it('starts programs in the background, and takes everything down', async () => {
    const pid = Number(script('exec', 'c', '--detach', '--', 'sh', '-c', 'echo started; exec sleep 1000'));
    await waitFor(() => readFileSync(`/run/tlshub-lab/out/${pid}.log`, 'utf8') === 'started\n', 10_000, 'its output');
    const program = lab.spawn('a', ['sleep', '1000']);
    await lab.down();
    expect(existsSync(`/proc/${pid}`)).to.equal(false);
    expect((await program.ended).signal).to.equal('SIGKILL');
    expect(existsSync('/run/netns/tlshub-a')).to.equal(false);
    expect(existsSync('/sys/fs/cgroup/tlshub-lab')).to.equal(false);
    await lab.down();
  });
});
