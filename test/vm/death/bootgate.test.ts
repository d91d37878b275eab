// SPDX-License-Identifier: Apache-2.0
/**
 * The boot gate: a node whose agent is not there yet, as after a reboot. The kept file is an agent's own; its gate has been taken away, so that
 * nothing is pinned.
 */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { keptState, shutBootGate, shutBootGateInUnit, type BootGateEnded } from '../harness/boot-gate.js';
import { lab, waitFor } from '../harness/index.js';
import {
  A,
  B,
  C,
  LEASES,
  LEASE_MS,
  PATIENCE,
  TALKER,
  alive,
  expectOthersGoOn,
  killWithGuardian,
  pinDir,
  pins,
} from './support.js';

const CTL = resolve('dist/cli/tlshubctl.js');
const KEPT = `${process.env.TLSHUB_LAB_DIR ?? '/run/tlshub-lab'}/a/state/boot.state`;
const CGROUP = '/sys/fs/cgroup/tlshub-lab/a';

const boot = (state = KEPT): BootGateEnded => shutBootGate(state);

/** The agent goes and takes its gate with it: what is left is as after a reboot. */
async function endAgent(): Promise<void> {
  const { pid } = await lab.status('a');
  lab.signal('a', 'SIGINT');
  await waitFor(() => !alive(pid), PATIENCE, 'its end');
  expect(pins('a')).to.deep.equal([]);
}

/** As somebody who has no supervisor to ask. */
function release(): BootGateEnded {
  return spawnSync(process.execPath, [CTL, 'release', '--pin-dir', pinDir('a')], { encoding: 'utf8' });
}

describe('the boot gate', () => {
  const marker = `secret-${randomUUID()}`;
  let shut: string[];

  before(async () => {
    await lab.up({ policy: 'strict', set: LEASES });
    await waitFor(async () => (await lab.status('a')).bootGate.writtenAt !== null, PATIENCE, 'a file to be kept');
    expect((await lab.status('a')).bootGate).to.include({ policy: 'closed', file: KEPT, error: null, shutSince: null });
    await endAgent();
  });

  after(() => lab.down());

  it('shuts nothing by a file that is not to be trusted, and says so', () => {
    writeFileSync('/run/foreign.state', 'x', { mode: 0o644 });
    const { status, stderr } = boot('/run/foreign.state');
    expect(status).to.equal(78);
    expect(stderr).to.match(/is not to be trusted: it can be read or written by others than root/);
    expect(boot('/run/none.state').status).to.equal(0);
    expect(pins('a')).to.deep.equal([]);
  });

  it('shuts the gate by what the last agent has kept', () => {
    const { status, stderr } = boot();
    expect(status, stderr).to.equal(0);
    expect(stderr).to.match(
      /the gate is shut for \d+ addresses of the mesh until an agent is there; captured: \S+\/a\n$/,
    );
    shut = pins('a');
    expect(shut).to.include('boot').and.include('sweep').and.not.include('boot-unfinished');
  });

  it('refuses connections of the mesh in both directions, and no byte of them is seen', async () => {
    const sniffer = await lab.sniff();
    const listener = lab.spawn('b', [TALKER, 'accept', '7501'], { outside: true });
    await listener.listening(7501);
    const { stdout } = await lab.exec('a', [TALKER, 'blocking', B, '7501', marker]);
    expect(stdout).to.equal('connected\nsend ECONNRESET\n');
    const waiting = lab.spawn('a', [TALKER, 'epoll', B, '7501', marker]);
    await waitFor(() => waiting.stdout.includes('connected'), PATIENCE, 'its connection');

    const server = lab.spawn('a', [TALKER, 'echo', '7502']);
    await server.listening(7502);
    const client = lab.spawn('b', [TALKER, 'blocking', A, '7502', marker]);
    expect((await client.ended).stdout).to.match(/^connected\nsend E(CONNRESET|CONNABORTED|PIPE)\n$/);
    expect(server.stdout).to.equal('listening\naccepted\nrecv ECONNRESET\nclosed\n');
    await server.stop();
    expect(waiting.stdout).to.equal('connected\n');
    await waiting.stop();
    await listener.stop();
    const capture = await sniffer.stop();
    expect(capture.contains(marker)).to.equal(false);
    expect(capture.port(7501).length).to.be.greaterThan(0);
    expect(capture.plaintextFrames, capture.describe()).to.equal(0);
  });

  it('leaves all else alone, whatever the policy says: peers outside the mesh, and loopback', async () => {
    await expectOthersGoOn(7503);
  });

  it('changes nothing where there is a gate already', () => {
    const { status, stderr } = boot();
    expect(status).to.equal(0);
    expect(stderr).to.match(/there is a gate in \S+ already: nothing to do\n$/);
    expect(pins('a')).to.deep.equal(shut);
  });

  it('begins again where one before it was killed half-way', () => {
    mkdirSync(`${pinDir('a')}/boot-unfinished`);
    const { status, stderr } = boot();
    expect(status, stderr).to.equal(0);
    expect(stderr).to.include('the gate is shut');
    expect(pins('a')).to.deep.equal(shut);
  });

  it('is adopted by the agent, which secures both directions from then on', async () => {
    await lab.restart('a');
    const { adopted, bootGate } = await lab.status('a');
    expect(adopted).to.equal(true);
    expect(Date.parse(bootGate.shutSince ?? '')).to.be.a('number').and.not.NaN;
    expect(pins('a')).to.not.include('boot');
    const sniffer = await lab.sniff();
    for (const [node, peer, host] of [
      ['a', 'b', B],
      ['b', 'a', A],
    ] as const) {
      const server = lab.spawn(peer, [TALKER, 'echo', '7504']);
      await server.listening(7504);
      const { stdout } = await lab.exec(node, [TALKER, 'blocking', host, '7504', marker]);
      expect(stdout, node).to.equal(`connected\nsent ${marker.length}\nread ${marker}\nend\n`);
      await server.stop();
    }
    const capture = await sniffer.stop();
    expect(capture.contains(marker)).to.equal(false);
    expect(capture.plaintextFrames, capture.describe()).to.equal(0);
    expect(capture.payloadFrames).to.be.greaterThan(6);
    // Its own policy is in force again.
    const server = lab.spawn('c', [TALKER, 'echo', '7505'], { outside: true });
    await server.listening(7505);
    expect((await lab.exec('a', [TALKER, 'blocking', C, '7505', 'hello'])).stdout).to.not.include('sent');
    await server.stop();
  });

  it('leaves a living agent alone, and what a killed one has left', async () => {
    expect(boot().stderr).to.match(/an agent works on \S+: nothing to do\n$/);
    await killWithGuardian('a');
    await new Promise((resolve) => setTimeout(resolve, LEASE_MS + 500));
    const before = pins('a');
    const { status, stderr } = boot();
    expect(status).to.equal(0);
    expect(stderr).to.match(/there is a gate in \S+ already: nothing to do\n$/);
    expect(pins('a')).to.deep.equal(before);
    const listener = lab.spawn('b', [TALKER, 'accept', '7506'], { outside: true });
    await listener.listening(7506);
    expect((await lab.exec('a', [TALKER, 'blocking', B, '7506', marker])).stdout).to.match(/^connected\nsend E/);
    await listener.stop();
    await lab.restart('a');
    expect((await lab.status('a')).adopted).to.equal(true);
    await endAgent();
  });

  it('captures a cgroup that is not there yet, and is taken away by tlshubctl release', async () => {
    rmdirSync(CGROUP);
    const { status, stderr } = boot();
    expect(status, stderr).to.equal(0);
    expect(stderr).to.include(`${CGROUP} was not there yet, and was made`);
    const inode = statSync(CGROUP).ino;
    const listener = lab.spawn('b', [TALKER, 'accept', '7507'], { outside: true });
    await listener.listening(7507);
    const { stdout } = await lab.exec('a', [TALKER, 'blocking', B, '7507', marker]);
    expect(stdout).to.equal('connected\nsend ECONNRESET\n');
    expect(statSync(CGROUP).ino).to.equal(inode);
    await listener.stop();
    const released = release();
    expect(released.status, released.stderr).to.equal(0);
    expect(existsSync(pinDir('a'))).to.equal(false);
  });

  it('can do its work within the limits of its unit', async () => {
    // The manager that sets the limits takes empty cgroups away when it ends (systemd, manager_shutdown_cgroup()).
    const inhabitant = lab.spawn('a', ['sleep', '1000']);
    const inode = statSync(CGROUP).ino;
    const { status, stderr } = shutBootGateInUnit(await keptState('a'));
    expect(status, stderr).to.equal(0);
    expect(stderr).to.include('the gate is shut');
    expect(statSync(CGROUP).ino).to.equal(inode);
    const listener = lab.spawn('b', [TALKER, 'accept', '7508'], { outside: true });
    await listener.listening(7508);
    const { stdout } = await lab.exec('a', [TALKER, 'blocking', B, '7508', marker]);
    expect(stdout).to.equal('connected\nsend ECONNRESET\n');
    await listener.stop();
    await inhabitant.stop();
    expect(release().status).to.equal(0);
  });

  it('captures all below the fixed part of a pattern', async () => {
    const kept = await keptState('a', {
      TLSHUB_CAPTURE_CGROUP: '/sys/fs/cgroup/tlshub-lab/*/w-?.service',
      TLSHUB_POLICY_REQUIRE: '10.77.0.0/24:7509',
      TLSHUB_POLICY_EXCLUDE: '10.77.0.0/16',
    });
    const { status, stderr } = boot(kept);
    expect(status, stderr).to.equal(0);
    expect(stderr).to.match(/captured: \/sys\/fs\/cgroup\/tlshub-lab\n$/);
    const server = lab.spawn('c', [TALKER, 'echo', '7509']);
    const listener = lab.spawn('b', [TALKER, 'accept', '7509'], { outside: true });
    await server.listening(7509);
    await listener.listening(7509);
    // Nothing of the mesh; the host's own programs among those that are captured are let go to all else, even if it is to be secured later.
    const mesh = await lab.exec('a', [TALKER, 'blocking', B, '7509', marker], { outside: true });
    expect(mesh.stdout).to.equal('connected\nsend ECONNRESET\n');
    const other = await lab.exec('c', [TALKER, 'blocking', C, '7509', 'hello']);
    expect(other.stdout).to.equal('connected\nsent 5\nread hello\nend\n');
    await server.stop();
    await listener.stop();
    expect(release().status).to.equal(0);
  });
});
