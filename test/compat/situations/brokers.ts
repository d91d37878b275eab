// SPDX-License-Identifier: Apache-2.0
/** Brokers, queues, logs, monitors, and tools that measure a network. */
import { MARK } from '../content.js';
import { says, type Situation } from '../situation.js';
import { python } from './common.js';

export const BROKERS: readonly Situation[] = [
  {
    name: 'mosquitto',
    packages: ['mosquitto', 'mosquitto-clients'],
    does: says('a subscriber and a publisher of 50 messages, QoS 1', '一个订阅者，发布 50 条 QoS 1 消息'),
    says: `${MARK} 50`,
    connections: 2,
    run: async (at) => {
      await at.server([
        'mosquitto',
        '-c',
        at.write('mosquitto.conf', `listener ${at.port()} ${at.host}\nallow_anonymous true\nuser root\n`),
      ]);
      const target = ['-h', at.host, '-p', String(at.port()), '-t', 'topic', '-q', '1'];
      // A session of its own keeps what comes before the subscriber does.
      const session = [...target, '-i', 'reader', '-c'];
      await at.client(['mosquitto_sub', ...session, '-E'], { name: 'subscribe' });
      await at.client(`for n in {1..50}; do echo ${MARK} $n; done | mosquitto_pub ${target.join(' ')} -l`, {
        name: 'mosquitto_pub',
      });
      await at.client(['mosquitto_sub', ...session, '-C', '50']);
    },
  },
  {
    name: 'beanstalkd',
    packages: ['beanstalkd', 'python3'],
    does: says('a job is put, reserved by another connection and deleted', '写入任务，由另一连接取出并删除'),
    says: MARK,
    connections: 2,
    run: async (at) => {
      await at.server(['beanstalkd', '-l', at.host, '-p', String(at.port())]);
      const script = `import socket
a, b = [socket.create_connection(('${at.host}', ${at.port()})).makefile('rwb', buffering=0) for _ in range(2)]
b.write(b'reserve\\r\\n')
a.write(b'put 1 0 60 12\\r\\n${MARK}\\r\\n'.replace(b' 12', b' %d' % len('${MARK}')))
print(a.readline(), b.readline(), b.readline())
b.write(b'delete 1\\r\\n'); print(b.readline())`;
      await at.client(python(at, 'client.py', script));
    },
  },
  {
    name: 'gearman',
    packages: ['gearman-job-server', 'gearman-tools'],
    does: says('a worker counts the lines of a client', '工作进程为客户端统计行数'),
    says: '3000',
    connections: 2,
    ipv4Only: true,
    run: async (at) => {
      await at.server(['gearmand', '-L', at.host, '-p', String(at.port()), '-l', 'stderr', '-t', '1']);
      const target = ['-h', at.host, '-p', String(at.port())];
      at.start(['gearman', '-w', ...target, '-f', 'count', '--', 'wc', '-l']);
      await at.client(`gearman ${target.join(' ')} -f count < ${at.content('text')}`);
    },
  },
  {
    name: 'nats-server',
    packages: ['nats-server', 'python3'],
    does: says('a subscriber and a publisher of 100 messages (Go)', '一个订阅者，发布 100 条消息（Go）'),
    says: '100 in order',
    connections: 2,
    run: async (at) => {
      await at.server(['nats-server', '-a', at.host, '-p', String(at.port())]);
      const script = `import socket
def link():
    f = socket.create_connection(('${at.host}', ${at.port()})).makefile('rwb', buffering=0)
    print(f.readline().split()[0]); f.write(b'CONNECT {"verbose":true}\\r\\n'); print(f.readline()); return f
s, p = link(), link()
s.write(b'SUB c 1\\r\\n'); print(s.readline())
for i in range(100): p.write(b'PUB c 3\\r\\n%03d\\r\\n' % i)
print({p.readline() for _ in range(100)})
got = [(s.readline(), s.readline())[1].strip() for _ in range(100)]
print(len(got), 'in order' if got == [b'%03d' % i for i in range(100)] else got)`;
      await at.client(python(at, 'client.py', script));
    },
  },
  {
    name: 'rsyslog',
    packages: ['rsyslog', 'bsdutils'],
    does: says(
      'logger sends 200 lines over TCP, rsyslogd writes them',
      'logger 经 TCP 发送 200 行，由 rsyslogd 写入文件',
    ),
    says: 'has line 200',
    run: async (at) => {
      const config = `module(load="imtcp")
input(type="imtcp" port="${at.port()}" address="${at.host}")
template(name="t" type="string" string="%msg%\\n")
action(type="omfile" file="${at.at('messages')}" template="t")
`;
      await at.server(['rsyslogd', '-n', '-i', at.at('pid'), '-f', at.write('rsyslog.conf', config)]);
      await at.client(`for n in {1..200}; do echo line $n; done | logger -T -n ${at.host} -P ${at.port()} --rfc3164`, {
        name: 'logger',
      });
      await at.contains('messages', 'line 200');
      await at.client('grep -c . messages', { name: 'grep' });
    },
  },
  {
    name: 'nrpe',
    packages: ['nagios-nrpe-server', 'nagios-nrpe-plugin'],
    does: says('check_nrpe runs a command of the server', 'check_nrpe 执行服务端命令'),
    says: MARK,
    run: async (at) => {
      const config = `server_port=${at.port()}
server_address=${at.host}
allowed_hosts=${at.origin}
nrpe_user=nobody
nrpe_group=nogroup
pid_file=${at.at('pid')}
command[mark]=/bin/echo ${MARK}
`;
      await at.server(['nrpe', '-n', '-f', '-c', at.write('nrpe.cfg', config)]);
      await at.client([
        '/usr/lib/nagios/plugins/check_nrpe',
        '-n',
        '-H',
        at.host,
        '-p',
        String(at.port()),
        '-t',
        '40',
        '-c',
        'mark',
      ]);
    },
  },
  {
    name: 'snmpd over TCP',
    packages: ['snmpd', 'snmp'],
    does: says('snmpget and snmpwalk', 'snmpget 与 snmpwalk'),
    says: MARK,
    connections: 2,
    ipv4Only: true,
    run: async (at) => {
      const config = at.write(
        'snmpd.conf',
        `rocommunity public\nsysContact ${MARK}\nagentaddress tcp:${at.authority()}\n`,
      );
      const env = { SNMP_PERSISTENT_DIR: at.make('state') };
      await at.server(['snmpd', '-f', '-Lo', '-C', '-c', config, '-p', at.at('pid')], { env });
      const flags = ['-v2c', '-c', 'public', '-On', '-t', '40', '-r', '0', `tcp:${at.authority()}`];
      await at.client(['snmpget', ...flags, '.1.3.6.1.2.1.1.4.0'], { env });
      await at.client(`snmpwalk ${flags.join(' ')} .1.3.6.1.2.1.1.9.1.2`, { env });
    },
  },
  {
    name: 'iperf3',
    packages: ['iperf3'],
    does: says('4 MB each way, over two streams', '双流，两个方向各 4 MB'),
    says: 'all sent',
    connections: 6,
    run: async (at) => {
      await at.server(['iperf3', '-s', '-B', at.host, '-p', String(at.port())]);
      const sums = `/usr/bin/python3 -c "import json,sys; e=json.load(sys.stdin)['end']; print('all sent' if e['sum_sent']['bytes'] >= 4<<20 and e['sum_received']['bytes'] >= 1<<20 else e)"`;
      const iperf = `iperf3 -c ${at.host} -p ${at.port()} -n 4M -P 2 -J`;
      await at.client(`set -o pipefail; ${iperf} | ${sums}`, { name: 'iperf3' });
      await at.client(`set -o pipefail; ${iperf} -R | ${sums}`, { name: 'iperf3 -R' });
    },
  },
  {
    name: 'iperf',
    packages: ['iperf'],
    does: says('2 MB over two streams', '双流 2 MB'),
    says: 'sent',
    connections: 2,
    ipv4Only: true,
    run: async (at) => {
      await at.server(['iperf', '-s', '-B', at.host, '-p', String(at.port())]);
      await at.client(
        `iperf -c ${at.host} -p ${at.port()} -n 2M -P 2 -y C | cut -d, -f8 | sed 's/^[1-9][0-9]*$/sent/'`,
        { name: 'iperf' },
      );
    },
  },
  {
    name: 'nuttcp',
    packages: ['nuttcp'],
    does: says('2 MB to the server and from it', '向服务端发送、从服务端接收各 2 MB'),
    says: '2.0000 MB',
    connections: 2,
    ipv4Only: true,
    run: async (at) => {
      await at.server(['nuttcp', '-S', '-1', '--nofork', '-P', String(at.port()), '-p', String(at.port(1))]);
      await at.client(`nuttcp -t -n32 -l65536 -P${at.port()} -p${at.port(1)} ${at.host} | grep -oE '^ *[0-9.]+ MB'`, {
        name: 'nuttcp',
      });
    },
  },
  {
    name: 'distcc',
    packages: ['distcc', 'gcc'],
    does: says('compiles on the other node', '在另一节点编译'),
    says: 'the answer is 42',
    run: async (at) => {
      await at.server(
        [
          'distccd',
          '--no-detach',
          '--daemon',
          '--allow-private',
          '--listen',
          at.host,
          '-p',
          String(at.port()),
          '--enable-tcp-insecure',
          '-N',
          '0',
          '-j',
          '2',
          '--log-stderr',
        ],
        { user: 'nobody' },
      );
      at.write('answer.c', '#include <stdio.h>\nint main(void) { printf("the answer is %d\\n", 42); return 0; }\n');
      const env = {
        DISTCC_HOSTS: at.authority(),
        DISTCC_FALLBACK: '0',
        DISTCC_DIR: at.make('distcc'),
        DISTCC_IO_TIMEOUT: '120',
      };
      await at.client('distcc gcc -O1 -c answer.c -o answer.o && gcc answer.o -o answer && ./answer', {
        name: 'distcc',
        env,
      });
    },
  },
  {
    name: 'nbdcopy',
    packages: ['libnbd-bin', 'qemu-utils'],
    does: says('reads a disk of qemu-nbd over several connections and writes it', '经多条连接读写 qemu-nbd 的磁盘'),
    says: 'the content of file',
    connections: 4,
    run: async (at) => {
      await at.client(['cp', at.content('file'), 'disk']);
      await at.client('truncate -s 2M disk', { name: 'truncate' });
      await at.server([
        'qemu-nbd',
        '-f',
        'raw',
        '-t',
        '-e',
        '9',
        '-b',
        at.host,
        '-p',
        String(at.port()),
        at.at('disk'),
      ]);
      await at.client(['nbdcopy', `nbd://${at.authority()}`, 'copy']);
      await at.client('head -c 1000011 copy > out', { name: 'head' });
      at.holds('out', 'file');
      await at.client(['nbdcopy', 'copy', `nbd://${at.authority()}`], { name: 'nbdcopy back' });
    },
  },
  {
    name: 'qemu-nbd',
    packages: ['qemu-utils'],
    does: says('qemu-img converts a disk that qemu-nbd serves', 'qemu-img 转换 qemu-nbd 提供的磁盘'),
    says: 'the content of file',
    run: async (at) => {
      await at.client(['cp', at.content('file'), 'disk']);
      await at.server([
        'qemu-nbd',
        '-f',
        'raw',
        '-t',
        '-e',
        '4',
        '-r',
        '-b',
        at.host,
        '-p',
        String(at.port()),
        at.at('disk'),
      ]);
      await at.client(['qemu-img', 'convert', '-f', 'raw', '-O', 'raw', `nbd://${at.authority()}`, 'copy']);
      await at.client('head -c 1000011 copy > out', { name: 'head' });
      at.holds('out', 'file');
    },
  },
  {
    name: 'ngircd',
    packages: ['ngircd', 'ii'],
    does: says('ii joins a channel and another client reads what it says', 'ii 加入频道，另一客户端读到其发言'),
    says: MARK,
    connections: 2,
    ipv4Only: true,
    run: async (at) => {
      const config = `[Global]\nName = irc.example.net\nListen = ${at.host}\nPorts = ${at.port()}\nInfo = x\n[Options]\nPAM = no\nIdent = no\nDNS = no\nServerUID = nobody\n`;
      await at.server(['ngircd', '-n', '-f', at.write('ngircd.conf', config)]);
      at.start(['ii', '-s', at.host, '-p', String(at.port()), '-n', 'first', '-i', at.make('irc')]);
      const script = `import socket, time, os, glob
f = socket.create_connection(('${at.host}', ${at.port()})).makefile('rwb', buffering=0)
f.write(b'NICK second\\r\\nUSER s 0 * :s\\r\\n')
def until(word):
    for line in f:
        if line.startswith(b'PING'): f.write(line.replace(b'PING', b'PONG'))
        if word in line: return line
until(b' 001 ')
f.write(b'JOIN #c\\r\\n'); print(until(b'JOIN'))
while not glob.glob('irc/*/in'): time.sleep(0.1)
out = glob.glob('irc/*')[0]
while '001' not in open(out + '/out').read() and 'Welcome' not in open(out + '/out').read(): time.sleep(0.1)
open(out + '/in', 'w').write('/j #c\\n')
print(until(b'first').split(b'@')[0])
while not os.path.exists(out + '/#c/in'): time.sleep(0.1)
open(out + '/#c/in', 'w').write('${MARK}\\n')
print(until(b'PRIVMSG').split(b'PRIVMSG')[1])`;
      await at.client(python(at, 'client.py', script));
    },
  },
];
