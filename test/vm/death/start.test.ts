// SPDX-License-Identifier: Apache-2.0
/** Agents that must not start: a second one beside a live one, and those whose settings cannot work. Nothing of the gate is touched by them. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { release } from 'node:os';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor, type Program, type Result } from '../harness/index.js';
import {
  B,
  PATIENCE,
  STREAMS,
  TALKER,
  UNHURRIED,
  finishStreams,
  killWithGuardian,
  mapEntries,
  pinDir,
  pins,
} from './support.js';

const SUPERVISOR = resolve('dist/supervisor.js');
const CONTROL = `${process.env.TLSHUB_LAB_DIR ?? '/run/tlshub-lab'}/a/control.sock`;

/** Runs an agent of node a to its end, which is to come by itself. */
function start(set: Record<string, string> = {}): Promise<Result> {
  const command = [process.execPath, SUPERVISOR, lab.config('a')];
  return lab.exec('a', command, { outside: true, env: set });
}

/** What lies in the maps that an agent writes. */
const contents = (): unknown =>
  ['settings', 'mesh', 'policy', 'rules', 'scope_ids', 'dups']
    .filter((map) => existsSync(`${pinDir('a')}/maps/${map}`))
    .map((map) =>
      mapEntries('a', map)
        .map((entry) => JSON.stringify(entry))
        .sort(),
    );

describe('an agent that must not start', () => {
  const marker = `secret-${randomUUID()}`;

  before(() => lab.up({ policy: 'permissive', set: UNHURRIED }));

  after(() => lab.down());

  it('beside a live one says so, and leaves its maps and connections alone', async () => {
    const { pid } = await lab.status('a');
    const server = lab.spawn('b', [STREAMS, 'serve', '7500']);
    const late = lab.spawn('b', [TALKER, 'late', '7501']);
    await server.listening(7500);
    await late.listening(7501);
    const sniffer = await lab.sniff();
    const streams = lab.spawn('a', [STREAMS, 'run', B, '7500', '20']);
    await waitFor(() => streams.stdout.includes('moving'), 60_000, 'all connections to move data');
    const held: Program = lab.spawn('a', [TALKER, 'blocking', B, '7501', marker]);
    await waitFor(() => held.held && mapEntries('a', 'dups').length === 1, PATIENCE, 'a held connection');
    const before = { pins: pins('a'), contents: contents() };

    const { code, stderr } = await start();
    expect(code, stderr).to.equal(1);
    expect(stderr).to.match(new RegExp(`process ${pid} \\(.*\\) is the agent that works on ${pinDir('a')}`));
    expect({ pins: pins('a'), contents: contents() }).to.deep.equal(before);
    expect((await lab.status('a')).pid).to.equal(pid);

    late.kill('SIGUSR1');
    expect((await held.ended).stdout).to.equal(`connected\nsent ${marker.length}\nread ${marker}\nend\n`);
    await finishStreams(streams, sniffer, marker);
    await server.stop();
    await late.stop();
  });

  it('since its cgroup is none leaves the gate of a dead agent as it is', async () => {
    await killWithGuardian('a');
    const before = { pins: pins('a'), contents: contents() };
    const folder = '/run/no-cgroup';
    mkdirSync(folder);
    const { code, stderr } = await start({
      TLSHUB_CAPTURE_CGROUP: `/sys/fs/cgroup/tlshub-lab/a ${folder}`,
      TLSHUB_POLICY: 'strict',
    });
    rmSync(folder, { recursive: true });
    expect(code, stderr).to.equal(78);
    expect(stderr).to.include(`${folder} is no folder of the cgroup2 hierarchy`);
    expect({ pins: pins('a'), contents: contents() }).to.deep.equal(before);
    await lab.restart('a');
    expect((await lab.status('a')).adopted).to.equal(true);
    expect(pins('a')).to.deep.equal(before.pins);
  });

  describe('since its settings cannot work', () => {
    before(async () => {
      lab.signal('a', 'SIGINT');
      await waitFor(
        () => pins('a').length === 0 && !existsSync(CONTROL),
        PATIENCE,
        "the end of the lab's own supervisor",
      );
    });

    const nothingIsLeft = (): void => {
      expect(existsSync(pinDir('a')), 'the folder of the pins').to.equal(false);
      expect(existsSync(CONTROL), 'the control socket').to.equal(false);
    };

    for (const [what, path] of [
      ['in a folder that cannot be made', '/etc/passwd/control.sock'],
      ['in a folder of everybody', '/tmp/control.sock'],
    ] as const) {
      it(`has no gate with its control socket ${what}`, async () => {
        const { code, stderr } = await start({ TLSHUB_CONTROL_SOCKET: path });
        expect(code, stderr).to.equal(78);
        expect(stderr).to.include(path.slice(0, path.lastIndexOf('/')));
        nothingIsLeft();
      });
    }

    it('has no gate with a cipher that the kernel does not have', async () => {
      const modules = `/lib/modules/${release()}`;
      execFileSync('rmmod', ['chacha20poly1305']);
      execFileSync('mount', ['-t', 'tmpfs', 'none', modules]);
      try {
        const { code, stderr } = await start({
          TLSHUB_TLS_CIPHERS: 'TLS_AES_128_GCM_SHA256 TLS_CHACHA20_POLY1305_SHA256',
        });
        expect(code, stderr).to.equal(69);
        expect(stderr).to.match(/missing kernel TLS with TLS_CHACHA20_POLY1305_SHA256 \(TLSHUB_KERNEL_UNSUPPORTED\)\n/);
        nothingIsLeft();
      } finally {
        execFileSync('umount', [modules]);
        execFileSync('modprobe', ['chacha20poly1305']);
      }
    });
  });
});
