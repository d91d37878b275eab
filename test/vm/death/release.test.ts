// SPDX-License-Identifier: Apache-2.0
/** `tlshubctl release`: a host whose agent is gone for good is freed, and nothing that was held becomes plaintext by that. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor, type Program } from '../harness/index.js';
import {
  A,
  B,
  LEASES,
  LEASE_MS,
  PATIENCE,
  STREAMS,
  TALKER,
  UNHURRIED,
  alive,
  finishStreams,
  guardianOf,
  killWithGuardian,
  pinDir,
  pins,
} from './support.js';

/** Long enough for a command to start while the guardian waits, under emulation. */
const GRACE_MS = 15_000;
const CTL = resolve('dist/cli/tlshubctl.js');

interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** As the operator does who no longer has a supervisor to ask: the socket's default path is nobody's in the lab. */
function release(...args: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [CTL, 'release', '--pin-dir', pinDir('a'), '--json', ...args],
    { encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}

describe('releasing the gate of an agent', () => {
  const marker = `secret-${randomUUID()}`;

  before(() => lab.up({ policy: 'permissive', set: { ...UNHURRIED, ...LEASES, guardian_grace_ms: GRACE_MS } }));

  after(() => lab.down());

  const refusal = (ended: Ended): string => {
    expect(ended.status, ended.stdout + ended.stderr).to.equal(1);
    const { error } = JSON.parse(ended.stderr) as { error: { code: string; message: string } };
    expect(error.code).to.equal('TLSHUB_RELEASE_ALIVE');
    return error.message;
  };

  it('is refused while the agent lives, whether its socket is known or not', async () => {
    const before = pins('a');
    const { pid } = await lab.status('a');
    const socket = `${process.env.TLSHUB_LAB_DIR ?? '/run/tlshub-lab'}/a/control.sock`;
    expect(refusal(release('--socket', socket))).to.include('answers on the control socket');
    expect(refusal(release())).to.include(`${pid} (`);
    expect(pins('a')).to.deep.equal(before);
  });

  it('is refused while the guardian of a dead agent works, and its successor finds all as it was', async () => {
    const before = pins('a');
    const guardian = await guardianOf('a');
    await lab.kill('a');
    expect(refusal(release())).to.include(`${guardian} (tlshub-guardian)`);
    expect(pins('a')).to.deep.equal(before);
    await lab.restart('a');
    expect((await lab.status('a')).adopted).to.equal(true);
  });

  it('of one that was stopped, waits for its guardian if it is asked to; nothing becomes plaintext before', async () => {
    const listener = lab.spawn('b', [TALKER, 'echo', '7405'], { outside: true });
    await listener.listening(7405);
    const sniffer = await lab.sniff();
    const { pid } = await lab.status('a');
    const guardian = await guardianOf('a');
    lab.signal('a', 'SIGTERM');
    await waitFor(() => !alive(pid), PATIENCE, 'its end');
    const held = lab.spawn('a', [TALKER, 'epoll', B, '7405', marker]);
    await waitFor(() => held.stdout.includes('connected'), PATIENCE, 'a connection');
    expect(refusal(release())).to.include(`${guardian} (tlshub-guardian)`);
    const ended = release('--wait', '60');
    expect(ended.status, ended.stderr).to.equal(0);
    expect((await held.ended).stdout).to.match(/^connected\nsend E(CONNRESET|CONNABORTED|PIPE)\n$/);
    const capture = await sniffer.stop();
    expect(capture.contains(marker)).to.equal(false);
    expect(existsSync(pinDir('a')), 'the folder of the pins').to.equal(false);
    await lab.restart('a');
    expect((await lab.status('a')).adopted).to.equal(false);
    await listener.stop();
  });

  describe('that was killed with its guardian', () => {
    let streams: Program, server: Program;
    let report: { pins: number; ended: number; secured: number; continued: number };

    it('ends what is held, frees who was stopped, and leaves what is secured', async () => {
      server = lab.spawn('b', [STREAMS, 'serve', '7400']);
      await server.listening(7400);
      const sniffer = await lab.sniff();
      streams = lab.spawn('a', [STREAMS, 'run', B, '7400', '20']);
      await waitFor(() => streams.stdout.includes('moving'), 60_000, 'all connections to move data');
      const listener = lab.spawn('b', [TALKER, 'accept', '7401'], { outside: true });
      await listener.listening(7401);
      const blocking = lab.spawn('a', [TALKER, 'blocking', B, '7401', marker]);
      const waiting = lab.spawn('a', [TALKER, 'epoll', B, '7401', marker]);
      const foreign = lab.spawn('a', ['nsenter', '--net=/run/netns/tlshub-c', TALKER, 'epoll', B, '7401', marker]);
      // A connection that no program of ours has accepted: nobody has a descriptor of it.
      const backlog = lab.spawn('a', [TALKER, 'listen', '7402']);
      await backlog.listening(7402);
      const mute = lab.spawn('b', [TALKER, 'mute', A, '7402'], { outside: true });
      await waitFor(() => blocking.held, PATIENCE, 'the blocking program to be held');
      for (const program of [waiting, foreign, mute]) {
        await waitFor(() => program.stdout.includes('connected'), PATIENCE, 'a connection');
      }

      const stopped = blocking.state === 'T';
      await killWithGuardian('a');
      await new Promise((resolvePromise) => setTimeout(resolvePromise, LEASE_MS + 500));
      expect(blocking.held, 'nobody has let it go on').to.equal(true);

      const ended = release();
      expect(ended.status, ended.stderr).to.equal(0);
      report = JSON.parse(ended.stdout) as typeof report;
      expect(report.secured).to.equal(20);
      expect(report.ended).to.equal(4);
      expect(report.continued).to.equal(stopped ? 1 : 0);
      expect(report.pins).to.be.greaterThan(20);
      expect(existsSync(pinDir('a')), 'the folder of the pins').to.equal(false);
      for (const program of [blocking, waiting, foreign]) {
        expect((await program.ended).stdout).to.match(/^connected\nsend E(CONNRESET|CONNABORTED|PIPE)\n$/);
      }
      const left = execFileSync('nsenter', ['--net=/run/netns/tlshub-a', 'ss', '-Htn', 'sport', '=', ':7402'], {
        encoding: 'utf8',
      });
      expect(left, 'connections in the backlog').to.equal('');

      await finishStreams(streams, sniffer, marker);
      for (const program of [server, listener, backlog, mute]) await program.stop();
    });

    it('captures nothing afterwards, and has nothing left to release', async () => {
      const listener = lab.spawn('b', [TALKER, 'echo', '7403'], { outside: true });
      await listener.listening(7403);
      const { stdout } = await lab.exec('a', [TALKER, 'blocking', B, '7403', marker]);
      expect(stdout).to.equal(`connected\nsent ${marker.length}\nread ${marker}\nend\n`);
      await listener.stop();
      const ended = release();
      expect(ended.status).to.equal(1);
      expect(ended.stderr).to.include('TLSHUB_NOT_FOUND');
    });

    it('is there again with the next agent', async () => {
      await lab.restart('a');
      const { adopted, lease } = await lab.status('a');
      expect(adopted).to.equal(false);
      expect(lease.guardianPid !== null && alive(lease.guardianPid)).to.equal(true);
      const echo = lab.spawn('b', [TALKER, 'echo', '7404']);
      await echo.listening(7404);
      const sniffer = await lab.sniff();
      const { stdout } = await lab.exec('a', [TALKER, 'blocking', B, '7404', marker]);
      expect(stdout).to.equal(`connected\nsent ${marker.length}\nread ${marker}\nend\n`);
      const capture = await sniffer.stop();
      expect(capture.contains(marker)).to.equal(false);
      expect(capture.plaintextFrames, capture.describe()).to.equal(0);
      await echo.stop();
    });
  });
});
