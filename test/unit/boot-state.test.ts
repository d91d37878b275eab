// SPDX-License-Identifier: Apache-2.0
/** What the agent keeps for the boot gate: written here, read by the program that reads it at boot. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseConfig } from '../../src/config/load.js';
import { PodNodeMapping } from '../../src/mapping/pod-node-mapping.js';
import { BootStateKeeper, encodeBootState, keepBootState, takeBootMark } from '../../src/supervisor/gate/boot-state.js';
import type { GateInputs } from '../../src/supervisor/gate/settings.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { temporaryFolder } from './support/temporary.js';

const BOOTGATE = 'dist/native/tlshub-bootgate';
const READER_TEST = 'dist/native/bootgate_test';

describe('what is kept for the boot gate', () => {
  const path = temporaryFolder();
  const inputs = (settings: string, mapping: string): GateInputs => ({
    config: parseConfig(`node_name = node-a\nstate_dir = ${path('state')}\n${settings}`, 'capture.conf'),
    mapping: PodNodeMapping.parse(mapping, 'mapping.conf'),
  });
  const MAPPING = 'one node-a 10.77.0.1\ntwo node-b 10.77.0.2 fd77::2\nthree node-b 10.78.0.0/24\n';
  const file = (): string => path('state', 'boot.state');
  const check = (): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(BOOTGATE, ['--state', file(), '--check'], { encoding: 'utf8' });
  const kept = async (of: GateInputs): Promise<void> => {
    const keeper = new BootStateKeeper(() => of, memoryLogger().log, 0);
    keeper.changed();
    await keeper.close();
    expect(keeper.report().error).to.equal(null);
  };

  beforeEach(() => rmSync(path('state'), { recursive: true, force: true }));

  it('is read by the boot gate as it was written', async () => {
    const settings = [
      'capture.cgroup = /sys/fs/cgroup/tlshub.slice, /sys/fs/cgroup/kubepods.slice/**, /sys/fs/cgroup/web.slice/web-*.service',
      'policy_exclude = 10.77.0.0/16:22, :53',
      'policy_require = 10.79.0.0/16',
      'bpf_pin_dir = /sys/fs/bpf/other',
    ];
    await kept(inputs(settings.join('\n'), MAPPING));
    const { status, stdout, stderr } = check();
    expect(status, stderr).to.equal(0);
    const [policy, written, ...rest] = stdout.trim().split('\n');
    expect(policy).to.equal('boot_policy closed');
    expect(Date.now() - Date.parse(written!.replace('written ', ''))).to.be.within(0, 120_000);
    expect(rest).to.deep.equal([
      'pins /sys/fs/bpf/other',
      'cgroup /sys/fs/cgroup/tlshub.slice',
      'cgroup /sys/fs/cgroup/kubepods.slice',
      'cgroup /sys/fs/cgroup/web.slice (of a pattern)',
      'rules 3',
      'addresses 4',
    ]);
  });

  it('is refused by it when it is broken in any way', async () => {
    await kept(inputs('policy_exclude = :53', MAPPING));
    const { status, stdout } = spawnSync(READER_TEST, [file()], { encoding: 'utf8' });
    expect(status, stdout).to.equal(0);
    const whole = readFileSync(file());
    writeFileSync(file(), whole.subarray(0, whole.length - 1));
    expect(check()).to.include({ status: 78, stdout: '' });
    expect(check().stderr).to.match(/boot\.state is not to be trusted: .* Nothing is shut: .*systemctl start tlshub/);
    rmSync(file());
    expect(check()).to.include({ status: 0, stdout: '' });
    expect(check().stderr).to.match(/there is no .*boot\.state: .* nothing is shut/);
  });

  it('can have a hundred thousand addresses', async () => {
    const lines = Array.from({ length: 100_000 }, (_, i) => `p${i} n 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    const state = Buffer.concat(await encodeBootState(inputs('', lines.join('\n')), 'closed', 0));
    mkdirSync(path('state'), { mode: 0o700 });
    writeFileSync(file(), state, { mode: 0o600 });
    expect(check().stdout).to.include('addresses 100000\n');
  });

  it('is for root alone, and there whole or not at all', async () => {
    await kept(inputs('', MAPPING));
    expect(statSync(path('state')).mode & 0o777).to.equal(0o700);
    expect(statSync(file()).mode & 0o777).to.equal(0o600);
    expect(readdirSync(path('state'))).to.deep.equal(['boot.state']);
  });

  it('is what boot_policy says: nothing is left with off', async () => {
    await kept(inputs('boot_policy = open', MAPPING));
    expect(check().stdout).to.match(/^boot_policy open\n/);
    await kept(inputs('boot_policy = off', MAPPING));
    expect(existsSync(file())).to.equal(false);
  });

  it('follows the settings in force', async () => {
    let current = inputs('', MAPPING);
    let swapped = (): void => undefined;
    const inForce = {
      get current() {
        return current;
      },
      onSwap: (listener: () => void) => void (swapped = listener),
    };
    const keeper = keepBootState(inForce, memoryLogger().log);
    expect(keeper.report()).to.deep.equal({ policy: 'closed', file: file(), writtenAt: null, error: null });
    current = inputs('', 'one node-a 10.77.0.1\n');
    swapped();
    // One that ends does not wait: what is in force is kept.
    await keeper.close();
    expect(check().stdout).to.include('addresses 1\n');
    expect(Date.parse(keeper.report().writtenAt!)).to.be.a('number');
  });

  it('is tried again where it cannot be written, and that is said', async () => {
    writeFileSync(path('file'), '');
    const wrong = { ...inputs('', MAPPING) };
    let current: GateInputs = {
      ...wrong,
      config: parseConfig(`node_name = node-a\nstate_dir = ${path('file')}/state\n`, 'capture.conf'),
    };
    const log = memoryLogger().log;
    const keeper = new BootStateKeeper(() => current, log, 0);
    keeper.changed();
    await keeper.close();
    expect(keeper.report().error).to.include({ errno: 'ENOTDIR' });
    current = wrong;
    keeper.look();
    await keeper.close();
    expect(keeper.report().error).to.equal(null);
    expect(existsSync(file())).to.equal(true);
  });

  it('says once since when the gate was shut by it', () => {
    mkdirSync(path('pins'));
    expect(takeBootMark(path('pins'))).to.equal(null);
    mkdirSync(join(path('pins'), 'boot'));
    expect(Date.parse(takeBootMark(path('pins'))!)).to.be.a('number');
    expect(takeBootMark(path('pins'))).to.equal(null);
  });
});
