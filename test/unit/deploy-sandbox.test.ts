// SPDX-License-Identifier: Apache-2.0
/** The limits that the unit of systemd sets, as the kernel puts them in force: the agent can do its work in them, and not much else. */
import { spawn, spawnSync, type ChildProcess, type SpawnSyncReturns } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { patience } from '../speed.js';
import { temporaryFolder } from './support/temporary.js';

const UNIT = 'deploy/systemd/tlshub.service';

/** Tries what the agent has to do, and what it has no business to; prints `name: errno or ok`. */
const PROGRAM = String.raw`
import ctypes, errno, os, signal, sys
pid = int(sys.argv[1])
cgroup2 = [line.split()[4] for line in open('/proc/self/mountinfo') if ' - cgroup2 ' in line][0]
libc = ctypes.CDLL(None, use_errno=True)
pidfd = os.pidfd_open(pid)
def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), '')
def folder(path):
    os.mkdir(path)
    os.rmdir(path)
tries = {
    'pin': lambda: folder('/sys/fs/bpf/tlshub-sandbox'),
    'cgroup': lambda: folder(cgroup2 + '/tlshub-sandbox'),
    'descriptors': lambda: os.readlink('/proc/%d/fd/0' % pid),
    'dup': lambda: call(libc.syscall(438, pidfd, 0, 0)),
    'stop': lambda: signal.pidfd_send_signal(pidfd, signal.SIGSTOP),
    'continue': lambda: signal.pidfd_send_signal(pidfd, signal.SIGCONT),
    'network namespace': lambda: call(libc.setns(pidfd, 0x40000000)),
    'mount namespace': lambda: call(libc.setns(pidfd, 0x00020000)),
    'mount': lambda: call(libc.mount(None, b'/run', None, 0x1000, None)),
    'program files': lambda: folder('/usr/lib/tlshub-sandbox'),
    'configuration': lambda: folder('/etc/tlshub-sandbox'),
    'sysctl': lambda: open('/proc/sys/kernel/hostname', 'r+'),
    'sysfs': lambda: open('/sys/kernel/profiling', 'r+'),
}
for name, attempt in tries.items():
    try:
        attempt()
        print(name + ': ok')
    except OSError as error:
        print(name + ': ' + errno.errorcode[error.errno])
`;

/** Makes a file system as the holder does (native/holder/host.cc: fsopen, fsconfig, fsmount); prints an error, or nothing. */
const FILE_SYSTEM = String.raw`
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*words):
    result = libc.syscall(*words)
    if result < 0:
        raise OSError(ctypes.get_errno(), '')
    return result
try:
    device = os.open('/dev/fuse', os.O_RDWR)
    context = call(430, b'fuse', 0)
    for key, value in {'source': 'tlshub', 'fd': device, 'rootmode': 40000, 'user_id': 0, 'group_id': 0}.items():
        call(431, context, 1, key.encode(), str(value).encode(), 0)
    call(431, context, 6, None, None, 0)
    call(432, context, 0, 0)
except OSError as error:
    print(errno.errorcode[error.errno])
`;

const inSandbox = (unit: string, ...command: string[]): SpawnSyncReturns<string> =>
  spawnSync('test/unit/support/sandbox.sh', [unit, ...command], { encoding: 'utf8', timeout: patience(60_000) });

describe("the sandbox of systemd's unit", function () {
  this.timeout(120_000);
  const path = temporaryFolder();
  let other: ChildProcess | undefined;
  const tried = (unit: string): SpawnSyncReturns<string> =>
    inSandbox(unit, '/usr/bin/python3', '-c', PROGRAM, String(other?.pid));

  before(async function () {
    if (process.getuid?.() !== 0) this.skip();
    // Somebody else's program in a network namespace of its own.
    const nobody = [
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      'sh',
      '-c',
      'echo up; exec sleep 100',
    ];
    other = spawn('unshare', ['--net', ...nobody], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [first] = (await Promise.race([once(other.stdout!, 'data'), once(other, 'exit')])) as [Buffer | number];
    expect(first.toString(), 'what it says').to.equal('up\n');
  });
  after(() => other?.kill('SIGKILL'));

  it('leaves the agent what it needs, and little more', () => {
    const { status, stdout, stderr } = tried(UNIT);
    expect(status, stderr).to.equal(0);
    expect(stdout.trimEnd().split('\n')).to.deep.equal([
      ...['pin: ok', 'cgroup: ok', 'descriptors: ok', 'dup: ok', 'stop: ok', 'continue: ok', 'network namespace: ok'],
      ...[
        'mount namespace: EPERM',
        'mount: EPERM',
        'program files: EROFS',
        'configuration: EROFS',
        'sysctl: EROFS',
        'sysfs: EROFS',
      ],
    ]);
  });

  it('would not do with limits that look harmless', () => {
    const stricter = path('stricter.service');
    const limits = 'ProtectKernelTunables=yes\nCapabilityBoundingSet=~CAP_KILL\nSystemCallFilter=~@debug\n';
    writeFileSync(stricter, readFileSync(UNIT, 'utf8').replace('[Install]', `${limits}[Install]`));
    const { stdout, stderr } = tried(stricter);
    expect(stdout, stderr).to.include('pin: EROFS').and.include('dup: EPERM').and.include('stop: EPERM');
  });

  it('takes nothing away of what this kernel can do for it', () => {
    const check = ['dist/cli/tlshubctl.js', 'check', '--json'];
    const { stdout, stderr } = inSandbox(UNIT, '/run/sandbox/node', `/run/sandbox/here/${check[0]}`, ...check.slice(1));
    const outside = inSandbox('--no-unit', process.execPath, ...check);
    expect(stdout, stderr).to.not.equal('');
    const abilities = (text: string): unknown =>
      (JSON.parse(text) as { name: string; ok: boolean }[]).map(({ name, ok }) => [name, ok]);
    expect(abilities(stdout)).to.deep.equal(abilities(outside.stdout));
    const make = ['/usr/bin/python3', '-c', FILE_SYSTEM];
    expect(inSandbox(UNIT, ...make).stdout, 'as the holder').to.equal(inSandbox('--no-unit', ...make).stdout);
  });
});
