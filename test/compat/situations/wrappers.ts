// SPDX-License-Identifier: Apache-2.0
/** Plain clients and servers of a line, super servers, and programs that run a client and look after it. */
import { MARK } from '../content.js';
import type { Place } from '../place.js';
import { says, type Situation } from '../situation.js';
import { redis } from './common.js';

/** A relay of a program's input and output: it sends the text and saves what comes back from a server that sends it and ends. */
const pipe = (
  name: string,
  packages: readonly string[],
  server: (at: Place) => readonly string[] | string,
  client: (at: Place) => string,
  more: Partial<Situation> = {},
): Situation => ({
  name,
  packages,
  does: says('sends 1 MB to a server that saves it', '向保存数据的服务端发送 1 MB'),
  says: 'the content of file',
  ...more,
  run: async (at) => {
    const listening = await at.server(server(at));
    await at.client(client(at), { name });
    await listening.ended;
    at.holds('got', 'file');
  },
});

const saving = (at: Place): string => {
  const [six, bind] = at.family === 'IPv6' ? ['6', `[${at.host}]`] : ['4', at.host];
  return `socat -u TCP${six}-LISTEN:${at.port()},bind=${bind},reuseaddr CREATE:got`;
};

/** It runs redis-cli, which is held: what a parent makes of that. */
const parent = (
  name: string,
  packages: readonly string[],
  wrap: (command: string) => readonly string[] | string,
  more: Partial<Situation> = {},
): Situation => ({
  name,
  packages: [...packages, 'redis-tools', 'redis-server'],
  does: says('runs a blocking client and passes its answer and status on', '运行阻塞的客户端，转达其应答与状态'),
  says: MARK,
  varies: [
    [/\b(pid|process) \d+/gi, 'PID'],
    [/^\d+ /gm, ''],
  ],
  ...more,
  run: async (at) => {
    await redis(at);
    const command = `redis-cli -h ${at.host} -p ${at.port()} echo ${MARK}`;
    await at.client(wrap(command), { name, env: { HOME: at.folder, TERM: 'xterm', SHELL: '/bin/bash' } });
  },
});

const inShell = (command: string): string => `${command} < /dev/null`;

export const WRAPPERS: readonly Situation[] = [
  pipe(
    'nc (OpenBSD)',
    ['netcat-openbsd'],
    (at) => `nc.openbsd -l ${at.host} ${at.port()} > got`,
    (at) => `nc.openbsd -N ${at.host} ${at.port()} < ${at.content('file')}`,
  ),
  pipe(
    'nc (traditional)',
    ['netcat-traditional'],
    (at) => `nc.traditional -l -s ${at.host} -p ${at.port()} > got`,
    (at) => `nc.traditional -q 0 ${at.host} ${at.port()} < ${at.content('file')}`,
    { ipv4Only: true },
  ),
  pipe(
    'ncat',
    ['ncat'],
    (at) => `ncat -l ${at.host} ${at.port()} > got`,
    (at) => `ncat --send-only ${at.host} ${at.port()} < ${at.content('file')}`,
  ),
  pipe(
    'busybox nc',
    ['busybox-static', 'socat'],
    saving,
    (at) => `busybox nc ${at.host} ${at.port()} < ${at.content('file')}`,
  ),
  pipe('socat, both ends', ['socat'], saving, (at) => `socat -u OPEN:${at.content('file')} TCP:${at.authority()}`),
  {
    name: 'tcpserver and tcpclient',
    packages: ['ucspi-tcp'],
    does: says('a shell on each side of the connection', '连接两端各一个 shell'),
    says: MARK,
    ipv4Only: true,
    run: async (at) => {
      await at.server([
        'tcpserver',
        '-H',
        '-R',
        '-l',
        '0',
        at.host,
        String(at.port()),
        'bash',
        '-c',
        `read -r l; echo "$l and $l"; cat ${at.content('page.html')}`,
      ]);
      await at.client([
        'tcpclient',
        '-H',
        '-R',
        '-l',
        '0',
        at.host,
        String(at.port()),
        'bash',
        '-c',
        `echo ${MARK} >&7; cat <&6`,
      ]);
    },
  },
  {
    name: 'tcpsvd',
    packages: ['ipsvd', 'netcat-openbsd'],
    does: says('a command for each of three clients', '为三个客户端各运行一条命令'),
    says: MARK,
    ipv4Only: true,
    connections: 3,
    run: async (at) => {
      await at.server(['tcpsvd', '-l', 'node-b', at.host, String(at.port()), 'cat', at.content('page.html')]);
      for (let n = 0; n < 3; n++) await at.client(['nc.openbsd', '-d', at.host, String(at.port())]);
    },
  },
  {
    name: 'xinetd',
    packages: ['xinetd', 'netcat-openbsd'],
    does: says('a command for each of three clients', '为三个客户端各运行一条命令'),
    says: MARK,
    connections: 3,
    run: async (at) => {
      const config = `service page
{
  type = UNLISTED
  port = ${at.port()}
  bind = ${at.host}
  socket_type = stream
  protocol = tcp
  wait = no
  user = root
  server = /bin/cat
  server_args = ${at.content('page.html')}
}
`;
      await at.server(['xinetd', '-dontfork', '-f', at.write('xinetd.conf', config), '-pidfile', at.at('pid')]);
      for (let n = 0; n < 3; n++) await at.client(['nc.openbsd', '-d', at.host, String(at.port())]);
    },
  },
  {
    name: 'telnet',
    packages: ['inetutils-telnet', 'socat', 'expect'],
    does: says('a dialogue typed by expect', '由 expect 输入的对话'),
    says: `you said ${MARK}`,
    differs: {
      seen: /^expect: status plain 0, secured did not end\n/,
      reason: says(
        'the server speaks first, through socat, which asks select() what it can read from, and then blocks in read(). The bytes of the handshake make its socket readable, so it waits there for the client and passes on nothing of what its program says meanwhile. ' +
          'It happens when the select() comes before the end of the handshake.',
        '服务器先发话，经由 socat：它用 select() 询问可以读哪一端，然后阻塞在 read() 里。握手的字节使其套接字可读，于是它在那里等待客户端，其程序这期间说的话都不转发。select() 早于握手结束时就会发生。',
      ),
    },
    run: async (at) => {
      const six = at.family === 'IPv6' ? '6' : '4';
      const bind = at.family === 'IPv6' ? `[${at.host}]` : at.host;
      const dialogue = at.write(
        'dialogue',
        '#!/bin/bash\necho -n "name? "; read -r l; echo "you said $l"; read -r l; echo "bye"\n',
        0o755,
      );
      await at.server(['socat', `TCP${six}-LISTEN:${at.port()},bind=${bind},fork,reuseaddr`, `EXEC:${dialogue}`]);
      const script = `set timeout 40; spawn telnet ${at.host} ${at.port()}; expect "name?"; send "${MARK}\\r"; expect "you said"; send "x\\r"; expect eof; exit [lindex [wait] 3]`;
      await at.client(['expect', '-c', script]);
    },
  },
  parent('sudo', ['sudo'], (command) => ['sudo', '-n', '-u', 'nobody', ...command.split(' ')]),
  parent('runuser', ['util-linux'], (command) => ['runuser', '-u', 'nobody', '--', ...command.split(' ')]),
  parent('su', ['util-linux'], (command) => ['su', 'nobody', '-s', '/bin/sh', '-c', command]),
  parent('script', ['bsdutils'], (command) => ['script', '-qec', command, '/dev/null']),
  parent('timeout', ['coreutils'], (command) => ['timeout', '50', ...command.split(' ')]),
  parent('setsid', ['util-linux'], (command) => ['setsid', '-w', ...command.split(' ')]),
  parent('nohup', ['coreutils'], (command) => ['nohup', ...command.split(' ')]),
  parent('strace', ['strace'], (command) => `strace -f -e trace=none ${command} 2>&1`),
  parent('gdb', ['gdb'], (command) => [
    'gdb',
    '-nx',
    '-q',
    '-batch',
    '-ex',
    'set debuginfod enabled off',
    '-ex',
    'run',
    '--args',
    ...command.split(' '),
  ]),
  parent('xargs -P', ['findutils'], (command) => `seq 4 | xargs -P 4 -I N ${command}`, { connections: 4 }),
  parent('GNU parallel', ['parallel'], (command) => `parallel -j 2 ${command}{} ::: 1 2 3 | sort`, { connections: 3 }),
  parent('make -j', ['make'], (command) => ['make', '-s', '-j2', '--eval', `all: one two\none two: ; @${command}`], {
    connections: 2,
  }),
  parent('fakeroot', ['fakeroot'], (command) => ['fakeroot', ...command.split(' ')]),
  parent('bwrap', ['bubblewrap'], (command) => [
    'bwrap',
    '--dev-bind',
    '/',
    '/',
    '--unshare-pid',
    '--die-with-parent',
    ...command.split(' '),
  ]),
  parent('unshare', ['util-linux'], (command) => ['unshare', '--fork', '--pid', ...command.split(' ')]),
  parent('expect', ['expect'], (command) => [
    'expect',
    '-c',
    `set timeout 40; spawn ${command}; expect eof; exit [lindex [wait] 3]`,
  ]),
  parent(
    'tmux',
    ['tmux'],
    (command) =>
      `tmux -S ./tmux -f /dev/null new-session -d "${command} > said; echo \\$? >> said" && for i in {1..300}; do [ -e said ] && [ $(wc -l < said) = 2 ] && break; sleep 0.1; done; cat said`,
  ),
  parent('screen', ['screen'], (command) => `screen -D -m bash -c '${command} > said; echo $? >> said'; cat said`),
  parent(
    'bash, job control',
    ['bash', 'bsdutils'],
    (command) => ['script', '-qec', `bash --norc -mc '${command} & wait %1; echo $?'`, '/dev/null'],
    {
      varies: [[/\[1\] \d+/g, '[1] PID']],
    },
  ),
  parent('busybox sh', ['busybox-static'], (command) => ['busybox', 'sh', '-c', inShell(command)]),
  parent('dash', ['dash'], (command) => ['dash', '-c', `${command}; echo $?`]),
];
