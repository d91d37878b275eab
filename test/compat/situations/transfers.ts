// SPDX-License-Identifier: Apache-2.0
/** What moves files and runs commands: SSH, rsync, version control, FTP, SMB. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { MARK } from '../content.js';
import type { Place } from '../place.js';
import { says, type Situation } from '../situation.js';
import { PYTHON } from './common.js';

/** The default key exchange takes seconds under emulation. */
const SSH_OPTIONS = [
  'StrictHostKeyChecking=no',
  'UserKnownHostsFile=/dev/null',
  'LogLevel=ERROR',
  'BatchMode=yes',
  'KexAlgorithms=curve25519-sha256',
];

/** sshd with keys of its own; the options of its clients. */
async function sshd(at: Place): Promise<string[]> {
  for (const name of ['host', 'user']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at.at(name)]);
  cpSync(at.at('user.pub'), at.at('authorized_keys'));
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 }); // its privilege separation wants it
  const config = [
    `ListenAddress ${at.authority()}`,
    `HostKey ${at.at('host')}`,
    `AuthorizedKeysFile ${at.at('authorized_keys')}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin yes',
    'PidFile none',
    'Subsystem sftp /usr/lib/openssh/sftp-server',
  ];
  await at.server(['/usr/sbin/sshd', '-D', '-e', '-f', at.write('sshd_config', config.join('\n') + '\n')]);
  return ['-F', 'none', '-i', at.at('user'), ...SSH_OPTIONS.flatMap((option) => ['-o', option])];
}

const SSH = ['openssh-server', 'openssh-client'];
const inBrackets = (at: Place): string => (at.family === 'IPv6' ? `[${at.host}]` : at.host);

async function vsftpd(at: Place): Promise<void> {
  cpSync(at.content('file'), at.at('file'));
  const config = [
    `listen${at.family === 'IPv6' ? '_ipv6' : ''}=YES`,
    ...(at.family === 'IPv6' ? ['listen=NO'] : []),
    `listen_port=${at.port()}`,
    `listen_address${at.family === 'IPv6' ? '6' : ''}=${at.host}`,
    'background=NO',
    'anonymous_enable=YES',
    'no_anon_password=YES',
    `anon_root=${at.make('ftp', 0o755)}`,
    `pasv_min_port=${at.port(2)}`,
    `pasv_max_port=${at.port(8)}`,
    'pasv_promiscuous=NO',
    'seccomp_sandbox=NO',
    `secure_chroot_dir=${at.make('empty', 0o755)}`,
  ];
  cpSync(at.content('file'), at.at('ftp/file'));
  cpSync(at.content('page.html'), at.at('ftp/page.html'));
  await at.server(['vsftpd', at.write('vsftpd.conf', config.join('\n') + '\n')]);
}

/** A client of vsftpd: at least two connections. */
const ftp = (
  name: string,
  packages: readonly string[],
  command: (at: Place) => readonly string[] | string,
  more: Partial<Situation> = {},
): Situation => ({
  name,
  packages: ['vsftpd', ...packages],
  does: says('lists a folder and gets 1 MB, passive', '被动模式列目录并获取 1 MB'),
  says: 'the content of file',
  connections: 2,
  // The four numbers before are the address; the port of a passive connection is what the server likes.
  varies: [
    [/(\d+,\d+,\d+,\d+),\d+,\d+/g, '$1,PORT'],
    [/\|\|\|\d+\|/g, '|||PORT|'],
    [/[^\n]*\d [KMG]i?B\/s[^\n]*/g, 'SPEED'],
    [/\w{3} \d\d \d\d:\d\d/g, 'DATE'],
  ],
  ...more,
  run: async (at) => {
    await vsftpd(at);
    await at.client(command(at), { name, env: { HOME: at.folder } });
    at.holds('out', 'file');
  },
});

/** A repository with two commits, made before anybody serves it. */
const git = (at: Place): void => {
  const run = (...args: string[]): void =>
    void execFileSync('git', args, { cwd: at.folder, env: { ...process.env, HOME: at.folder }, stdio: 'ignore' });
  run('init', '-q', '-b', 'main', 'work');
  cpSync(at.content('file'), at.at('work/file'));
  const as = ['-c', 'user.name=x', '-c', 'user.email=x@example.org'];
  run('-C', 'work', 'add', '.');
  run('-C', 'work', ...as, 'commit', '-qm', MARK, '--date=2024-01-01T00:00:00Z');
  run('clone', '-q', '--bare', 'work', 'repos.git');
};

export const TRANSFERS: readonly Situation[] = [
  {
    name: 'ssh',
    packages: SSH,
    does: says('a command with a text through it, and one with a status', '经其传输文本的命令，以及返回状态的命令'),
    says: MARK,
    statuses: ['0', '7'],
    connections: 2,
    run: async (at) => {
      const flags = ['-p', String(at.port()), ...(await sshd(at)), `root@${at.host}`];
      await at.client(`ssh ${flags.join(' ')} cat < ${at.content('text')}`);
      await at.client(['ssh', ...flags, 'exit 7']);
    },
  },
  {
    name: 'ssh, on a terminal',
    packages: [...SSH, 'bsdutils'],
    does: says('a command on a terminal of the other node', '在另一节点的终端上执行命令'),
    says: MARK,
    run: async (at) => {
      const flags = ['-p', String(at.port()), ...(await sshd(at)), `root@${at.host}`];
      await at.client(`script -qec "ssh -tt ${flags.join(' ')} 'tty; echo ${MARK}'" /dev/null`, { name: 'script ssh' });
    },
    varies: [[/\/dev\/pts\/\d+/g, 'TTY']],
  },
  {
    name: 'scp and sftp',
    packages: SSH,
    does: says('1 MB each way', '两个方向各 1 MB'),
    says: 'the content of file',
    connections: 2,
    run: async (at) => {
      const flags = ['-P', String(at.port()), ...(await sshd(at))];
      await at.client(['scp', '-q', ...flags, at.content('file'), `root@${inBrackets(at)}:${at.at('there')}`]);
      at.holds('there', 'file');
      const batch = at.write('batch', `get ${at.at('there')} ${at.at('out')}\nls -1 ${at.folder}/there\n`);
      await at.client(['sftp', '-q', ...flags, '-b', batch, `root@${inBrackets(at)}`]);
      at.holds('out', 'file');
    },
  },
  {
    name: 'ssh -L',
    packages: [...SSH, 'curl'],
    does: says('GET through a forwarded port', '经转发端口 GET'),
    says: '200 1000011',
    run: async (at) => {
      const flags = await sshd(at);
      await at.server([PYTHON, '-m', 'http.server', '-b', '127.0.0.1', '-d', at.contents, String(at.port(2))], {
        port: at.port(2),
      });
      const forward = ['-N', '-L', `${at.port(1)}:127.0.0.1:${at.port(2)}`, '-p', String(at.port())];
      await at.server(['ssh', ...forward, ...flags, `root@${at.host}`], { node: 'a', port: at.port(1) });
      await at.client([
        'curl',
        '-sSf',
        '-w',
        '%{http_code} %{size_download}\\n',
        '-o',
        'out',
        `http://127.0.0.1:${at.port(1)}/file`,
      ]);
      at.holds('out', 'file');
    },
  },
  {
    name: 'dropbear',
    packages: ['dropbear-bin'],
    does: says('dbclient sends a text through a command', 'dbclient 经命令传输文本'),
    says: MARK,
    ipv4Only: true,
    run: async (at) => {
      const home = at.make('home/.ssh', 0o700);
      for (const name of ['host', 'user'])
        execFileSync('dropbearkey', ['-t', 'ed25519', '-f', at.at(name)], { stdio: 'ignore' });
      const key = execFileSync('dropbearkey', ['-y', '-f', at.at('user')], { encoding: 'utf8' })
        .split('\n')
        .find((line) => line.startsWith('ssh-'));
      execFileSync('bash', [
        '-c',
        `mkdir -p /root/.ssh; chmod 700 /root /root/.ssh; echo '${key}' >> /root/.ssh/authorized_keys; chmod 600 /root/.ssh/authorized_keys`,
      ]);
      await at.server(['dropbear', '-F', '-E', '-r', at.at('host'), '-p', at.authority(), '-P', at.at('pid')]);
      const flags = ['-y', '-y', '-i', at.at('user'), '-p', String(at.port()), `root@${at.host}`];
      await at.client(`dbclient ${flags.join(' ')} cat < ${at.content('text')}`, {
        quiet: true,
        env: { HOME: home.replace('/.ssh', '') },
      });
    },
  },
  {
    name: 'rsync over ssh',
    packages: ['rsync', ...SSH],
    does: says('1 MB and a text there', '传送 1 MB 与文本'),
    says: 'the content of file',
    run: async (at) => {
      const flags = await sshd(at);
      const shell = `ssh -p ${at.port()} ${flags.join(' ')}`;
      at.make('there');
      await at.client([
        'rsync',
        '-rt',
        '-i',
        '-e',
        shell,
        `${at.contents}/`,
        `root@${inBrackets(at)}:${at.at('there')}/`,
      ]);
      at.holds('there/file', 'file');
    },
  },
  {
    name: 'rsync --daemon',
    packages: ['rsync'],
    does: says('1 MB each way, and a list', '两个方向各 1 MB，以及列表'),
    says: 'the content of file',
    connections: 3,
    run: async (at) => {
      at.make('module');
      const config = `use chroot = no\nuid = root\ngid = root\nlog file = ${at.at('log')}\n[m]\npath = ${at.at('module')}\nread only = no\n`;
      await at.server([
        'rsync',
        '--daemon',
        '--no-detach',
        '--address',
        at.host,
        '--port',
        String(at.port()),
        '--config',
        at.write('rsyncd.conf', config),
      ]);
      const url = `rsync://${at.authority()}/m/`;
      await at.client(['rsync', '-rti', `${at.contents}/`, url]);
      await at.client(['rsync', '--list-only', url]);
      await at.client(['rsync', '-ti', `${url}file`, 'out']);
      at.holds('out', 'file');
    },
  },
  {
    name: 'git daemon',
    packages: ['git'],
    does: says('clone, commit and push', '克隆、提交与推送'),
    says: MARK,
    connections: 2,
    run: async (at) => {
      git(at);
      const env = {
        HOME: at.folder,
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'safe.directory',
        GIT_CONFIG_VALUE_0: '*',
      };
      await at.server(
        [
          'git',
          'daemon',
          '--reuseaddr',
          `--listen=${at.host}`,
          `--port=${at.port()}`,
          `--base-path=${at.folder}`,
          '--export-all',
          '--enable=receive-pack',
          at.folder,
        ],
        { env },
      );
      const url = `git://${at.authority()}/repos.git`;
      await at.client(['git', 'clone', '-q', url, 'copy'], { env });
      at.holds('copy/file', 'file');
      const as = '-c user.name=x -c user.email=x@example.org';
      const commit = `cd copy && head -c 500000 file > half && git add . && git ${as} commit -qm more && git push -q && git log --format=%s`;
      await at.client(commit, { name: 'git push', env });
    },
  },
  {
    name: 'svnserve',
    packages: ['subversion'],
    does: says('checks out, commits, updates', '检出、提交、更新'),
    says: 'the content of file',
    connections: 3,
    run: async (at) => {
      execFileSync('svnadmin', ['create', at.at('repos')]);
      at.write('repos/conf/svnserve.conf', '[general]\nanon-access = write\n');
      await at.server([
        'svnserve',
        '-d',
        '--foreground',
        '--listen-host',
        at.host,
        '--listen-port',
        String(at.port()),
        '-r',
        at.folder,
      ]);
      const url = `svn://${at.authority()}/repos`;
      await at.client(['svn', 'checkout', '-q', url, 'one'], { env: { HOME: at.folder } });
      const commit = `cd one && cp ${at.content('file')} . && svn add -q file && svn commit -q -m ${MARK}`;
      await at.client(commit, { name: 'svn commit', env: { HOME: at.folder } });
      await at.client(['svn', 'checkout', '-q', url, 'two'], { env: { HOME: at.folder } });
      at.holds('two/file', 'file');
    },
  },
  {
    name: 'hg serve',
    packages: ['mercurial'],
    does: says('clones a repository', '克隆仓库'),
    says: 'the content of file',
    run: async (at) => {
      const env = { HOME: at.folder, HGUSER: 'x' };
      execFileSync(
        'bash',
        ['-c', `hg init r && cp ${at.content('file')} r && cd r && hg add -q file && hg commit -q -m x -d '0 0'`],
        { cwd: at.folder, env: { ...process.env, ...env } },
      );
      const six = at.family === 'IPv6' ? ['-6'] : [];
      await at.server(['hg', 'serve', '-R', at.at('r'), '-a', at.host, '-p', String(at.port()), ...six], { env });
      await at.client(['hg', 'clone', at.url('/'), 'copy'], { env });
      at.holds('copy/file', 'file');
    },
  },
  ftp(
    'vsftpd and curl',
    ['curl'],
    (at) => `curl -gsS ftp://${at.authority()}/ | awk '{print $NF}' && curl -gsS -o out ftp://${at.authority()}/file`,
  ),
  ftp(
    'vsftpd and lftp',
    ['lftp'],
    (at) => ['lftp', '-c', `set net:timeout 60; open ftp://${at.authority()}; cls -1; get file -o out; mirror / tree`],
    {
      connections: 3,
    },
  ),
  ftp('vsftpd and tnftp', ['tnftp'], (at) => ['tnftp', '-n', '-V', '-o', 'out', `ftp://${at.authority()}/file`]),
  ftp(
    'vsftpd and inetutils-ftp',
    ['inetutils-ftp'],
    (at) =>
      `printf 'user anonymous x\\nbinary\\npassive\\nls\\nget file out\\nquit\\n' | inetutils-ftp -n ${at.host} ${at.port()}`,
    { ipv4Only: true },
  ),
  ftp('vsftpd and ftplib', ['python3'], (at) => [
    PYTHON,
    '-c',
    `import ftplib
f = ftplib.FTP(); print(f.connect('${at.host}', ${at.port()})); print(f.login()); print(f.nlst())
print(f.retrbinary('RETR file', open('out', 'wb').write)); print(f.quit())`,
  ]),
  {
    name: 'samba',
    packages: ['samba', 'smbclient'],
    does: says('smbclient lists a share, puts and gets 1 MB', 'smbclient 列目录、上传并下载 1 MB'),
    says: 'the content of file',
    ipv4Only: true,
    run: async (at) => {
      const folders = ['lock', 'state', 'cache', 'private', 'pid', 'ncalrpc', 'share'];
      for (const name of folders) at.make(name, name === 'share' ? 0o777 : 0o755);
      const config = `[global]
interfaces = ${at.host}
bind interfaces only = yes
smb ports = ${at.port()}
lock directory = ${at.at('lock')}
state directory = ${at.at('state')}
cache directory = ${at.at('cache')}
private dir = ${at.at('private')}
pid directory = ${at.at('pid')}
ncalrpc dir = ${at.at('ncalrpc')}
log file = ${at.at('log')}
map to guest = Bad User
guest account = nobody
disable netbios = yes
load printers = no
server role = standalone server
[s]
path = ${at.at('share')}
guest ok = yes
read only = no
force user = root
`;
      await at.server(['smbd', '-F', '--no-process-group', '-s', at.write('smb.conf', config)]);
      const commands = `put ${at.content('file')} there; get there ${at.at('out')}; dir`;
      await at.client(
        `smbclient -N -s /dev/null -p ${at.port()} //${at.host}/s -c '${commands}' | grep -oE '^ +there|NT_STATUS.*|failed.*'`,
        { name: 'smbclient', quiet: true },
      );
      at.holds('out', 'file');
    },
  },
];
