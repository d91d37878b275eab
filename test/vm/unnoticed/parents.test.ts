// SPDX-License-Identifier: Apache-2.0
/** Servers that fork, scripts and shells: what they do when a child of theirs stops, they must never do because we hold it. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor } from '../harness/index.js';
import { Peer } from '../harness/peer.js';
import { SECRET } from '../harness/wire.js';
import { at, digestOf, makeContent, makeFolder } from '../matrix/files.js';
import { B, inThePatientLab, lateServer, redis, SHELL_PROMPT, terminal, withoutStops } from './support.js';

const PERL = 7120;
const CHILD = 7121;
const LATE = 7122;
const REDIS = 7123;
const FTP = 7130;
const VISITORS = 5;
const PATIENCE = 20_000;

/** A child for each connection; SIGCHLD's handler waits for one that has ended, and so stands still if none has. */
const FORKING_SERVER = `
  use IO::Socket::INET;
  $SIG{CHLD} = sub { wait };
  my $listener = IO::Socket::INET->new(LocalPort => ${PERL}, Listen => 50, ReuseAddr => 1) or die $!;
  while (1) {
    my $connection = $listener->accept or next;
    if (fork) { close $connection; next }
    while (sysread $connection, my $bytes, 1000) { syswrite $connection, $bytes }
    exit 0;
  }`;

/** Prints how often SIGCHLD came for a child that talks to a server and ends. */
const PARENT = `
  my $signals = 0;
  $SIG{CHLD} = sub { $signals++ };
  my $child = fork;
  exec @ARGV unless $child;
  until (waitpid($child, 0) == $child) {}
  print "$signals ", $? >> 8, "\\n";`;

/** Runs a program in a process group of its own, as a shell with job control does, says that it has ended, and stays. */
const JOB_CONTROL = `
  $| = 1;
  my $child = fork;
  unless ($child) { setpgrp; exec @ARGV }
  waitpid $child, 0;
  print "gone\n";
  sleep 600;`;

const ftpConfig = (folder: string): string => `
listen=YES
background=NO
listen_port=${FTP}
ftp_data_port=${FTP + 1}
anonymous_enable=YES
no_anon_password=YES
anon_root=${folder}
write_enable=YES
anon_upload_enable=YES
anon_umask=022
connect_from_port_20=YES
pasv_min_port=${FTP + 2}
pasv_max_port=${FTP + 9}
xferlog_enable=NO
secure_chroot_dir=/run/vsftpd/empty
`;

describe('the parent of a held program', () => {
  inThePatientLab();
  withoutStops();
  before(makeFolder);

  it('that waits at SIGCHLD goes on serving: a server in Perl, five clients that stay', async () => {
    const server = lab.spawn('b', ['perl', '-e', FORKING_SERVER]);
    await server.listening(PERL);
    // A socket each: none is closed before the program ends.
    const visit = ['socket:tcp', `connect:${B}:${PERL}`, `write:${SECRET}`, 'read'];
    const steps = await Peer.run('a', Array.from({ length: VISITORS }, () => visit).flat());
    const reads = steps.filter(({ op }) => op === 'read').map(({ data }) => data);
    expect(reads).to.deep.equal(Array.from({ length: VISITORS }, () => SECRET));
    const flows = (await lab.flows('b')).filter(({ dport }) => dport === PERL);
    expect(flows.map(({ hold }) => hold)).to.deep.equal(Array.from({ length: VISITORS }, () => 'sleep'));
    await server.stop();
  });

  it('gets SIGCHLD once, when its child has ended', async () => {
    await redis(CHILD);
    const client = ['redis-cli', '-h', B, '-p', String(CHILD), 'ping'];
    expect((await lab.exec('a', ['perl', '-e', PARENT, ...client])).stdout).to.equal('PONG\n1 0\n');
  });

  it("that leaves it behind on a terminal leaves it alive: the group's last member does not die of SIGHUP", async () => {
    const server = await lateServer(LATE);
    const client = `redis-cli -h ${B} -p ${LATE} PING`;
    const script = `${client} >${at('said')} & echo $! >${at('pid')}`;
    const end = `until [ -e ${at('held')} ]; do sleep 0.05; done`;
    writeFileSync(at('script'), `#!/bin/sh\n${script}\n${end}\n`, { mode: 0o755 });
    const shell = lab.spawn('a', ['perl', '-e', JOB_CONTROL, at('script')]);
    const isHeld = async (): Promise<boolean> =>
      (await lab.flows('a')).some(({ dport, hold }) => dport === LATE && hold === 'sleep');
    await waitFor(isHeld, PATIENCE, 'the client to be held');
    writeFileSync(at('held'), '');
    await waitFor(() => shell.stdout.includes('gone'), PATIENCE, 'the end of the script');
    const pid = readFileSync(at('pid'), 'utf8').trim();
    const state = (): string | undefined => readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1);
    await waitFor(
      () => state()?.startsWith('S 1 '),
      PATIENCE,
      () => `the client to wait; its state: ${state()}`,
    );
    server.kill('SIGUSR1');
    // It takes what it wrote itself for an answer: an array of one text, in the protocol of Redis.
    await waitFor(() => readFileSync(at('said'), 'utf8') === 'PING\n', PATIENCE, "the client's answer");
    await shell.stop();
  });

  it('is an interactive shell: the client keeps the terminal', async () => {
    await redis(REDIS);
    const { code, stdout } = await terminal([
      [SHELL_PROMPT, `redis-cli -h ${B} -p ${REDIS}\n`],
      [`${REDIS}> `, 'set key typed\n'],
      ['OK', ''],
      [`${REDIS}> `, 'get key\n'],
      ['"typed"', ''],
      [`${REDIS}> `, 'exit\n'],
      [SHELL_PROMPT, `nc -q 1 ${B} ${REDIS}; echo status $?\n`],
      ['status $?', 'PING\n'],
      ['+PONG', '\x04'],
      ['status 0', ''],
      [SHELL_PROMPT, 'exit\n'],
    ]);
    expect(code, stdout).to.equal(0);
    expect(stdout).to.not.include('Stopped');
  });

  for (const mode of ['passive', 'active'] as const) {
    it(`is vsftpd: a file goes both ways, and once more by lftp, ${mode}`, async () => {
      const folder = at(`ftp-${mode}`);
      mkdirSync(`${folder}/in`, { recursive: true });
      chmodSync(folder, 0o755);
      chmodSync(`${folder}/in`, 0o777);
      mkdirSync('/run/vsftpd/empty', { recursive: true });
      const { sha256 } = makeContent(`ftp-${mode}/file`, 400_000);
      writeFileSync(at('vsftpd.conf'), ftpConfig(folder));
      const server = lab.spawn('b', ['vsftpd', at('vsftpd.conf')]);
      await server.listening(FTP);
      const client = ['/usr/bin/python3', resolve('test/programs/ftp.py'), B, String(FTP), mode, 'file', 'in/new'];
      const { code, stdout, stderr } = await lab.exec('a', client);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.equal(`${sha256} 400000\n`);
      expect(digestOf(`${folder}/in/new`)).to.equal(sha256);
      const lftp = `set ftp:passive-mode ${mode === 'passive'}; set net:max-retries 1; open -p ${FTP} ${B}; cat file`;
      const fetched = await lab.exec('a', ['sh', '-c', `lftp -c '${lftp}' | sha256sum`], { env: { HOME: at('') } });
      expect(fetched.stdout, fetched.stderr).to.equal(`${sha256}  -\n`);
      await server.stop();
    });
  }
});
