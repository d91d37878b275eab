// SPDX-License-Identifier: Apache-2.0
/** The machine itself: what every other VM test takes for granted. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { expect } from 'chai';

const read = (path: string): string => readFileSync(path, 'utf8');
const run = (file: string, ...args: string[]): string => execFileSync(file, args, { encoding: 'utf8' });

describe('the virtual machine', () => {
  const mounts = new Map(
    read('/proc/mounts')
      .split('\n')
      .map((line) => line.split(' '))
      .map(([, point, type]) => [point, type]),
  );

  it('runs a stock Debian kernel', () => {
    expect(read('/proc/version')).to.include('Debian');
    expect(release()).to.match(/^(6\.1\.0|6\.12\.|7\.3\.)/);
  });

  it('lets BPF programs attach to LSM hooks', () => {
    expect(read('/sys/kernel/security/lsm').trim().split(',')).to.include('bpf');
  });

  it('has BTF for CO-RE', () => {
    expect(statSync('/sys/kernel/btf/vmlinux').size).to.be.greaterThan(1_000_000);
  });

  it('has kernel TLS', () => {
    run('modprobe', 'tls');
    expect(read('/proc/sys/net/ipv4/tcp_available_ulp').trim().split(' ')).to.include('tls');
  });

  it('has the ciphers that TLS 1.3 needs', () => {
    expect(read('/proc/crypto')).to.match(/^name\s*: gcm\(aes\)$/m);
    // made from its parts at first use, until then only the module tells
    expect(existsSync('/sys/module/chacha20poly1305')).to.equal(true);
  });

  it('has cgroup2, bpffs, tracefs and securityfs where programs look for them', () => {
    expect(mounts.get('/sys/fs/cgroup')).to.equal('cgroup2');
    expect(mounts.get('/sys/fs/bpf')).to.equal('bpf');
    expect(mounts.get('/sys/kernel/tracing')).to.equal('tracefs');
    expect(mounts.get('/sys/kernel/security')).to.equal('securityfs');
  });

  it("shows the host's files, and takes changes in memory", () => {
    expect(mounts.get('/')).to.equal('overlay');
    expect((JSON.parse(read('package.json')) as { name: string }).name).to.equal('tlshub-ebpf');
    expect(run('sh', '-c', 'echo changed > /etc/tlshub-smoke && cat /etc/tlshub-smoke')).to.equal('changed\n');
  });

  it('runs node', () => {
    expect(run('node', '-p', '6 * 7')).to.equal('42\n');
  });

  it('has a clock that runs at the right speed', () => {
    // The clock is read from the time stamp counter; compared with the real-time clock device, which qemu keeps.
    const seconds = (): number => Number(read('/sys/class/rtc/rtc0/since_epoch'));
    const edge = (): [number, number] => {
      const before = seconds();
      let now = before;
      while (now === before) now = seconds();
      return [now, performance.now()];
    };
    const [rtcStart, start] = edge();
    let [rtcEnd, end] = edge();
    while (rtcEnd - rtcStart < 3) [rtcEnd, end] = edge();
    expect((end - start) / 1000 / (rtcEnd - rtcStart)).to.be.within(0.95, 1.05);
    expect(Math.abs(Date.now() / 1000 - seconds())).to.be.lessThan(2);
  });
});
