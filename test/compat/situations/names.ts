// SPDX-License-Identifier: Apache-2.0
/** Mail, names and directories. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { MARK } from '../content.js';
import type { Place } from '../place.js';
import { says, type Situation } from '../situation.js';
import { python } from './common.js';

/** An SMTP server that prints nothing of its own and leaves what comes as `mail`. */
async function smtp(at: Place): Promise<void> {
  const script = `import asyncio
from aiosmtpd.controller import UnthreadedController
class Handler:
    async def handle_DATA(self, server, session, envelope):
        open('mail', 'ab').write(envelope.content); return '250 taken'
loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)
UnthreadedController(Handler(), hostname='${at.host}', port=${at.port()}, loop=loop, server_hostname='node-b').begin()
loop.run_forever()`;
  await at.server(python(at, 'smtp.py', script));
}

/** What no two mails share. */
const MAIL: Situation['varies'] = [
  [/\d{14,}\.\d+@[\w.-]+/g, 'ID'],
  [/\b\d{10}\.\w+\.\w+\b/g, 'ID'],
  [/\b[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4}\b/g, 'ID'],
];

/** Dovecot with one user, `u`, and three mails in its box. */
async function dovecot(at: Place, protocol: 'imap' | 'pop3'): Promise<void> {
  const box = at.make('mail/cur');
  for (const folder of ['new', 'tmp']) at.make(`mail/${folder}`);
  for (let n = 1; n <= 3; n++) {
    const text = `From: x@example.org\nTo: u@example.org\nSubject: ${MARK} ${n}\nMessage-ID: <${n}@example.org>\n\n${'A line of text.\n'.repeat(500 * n)}`;
    at.write(`mail/cur/170000000${n}.M1P1.b:2,`, text, 0o666);
  }
  execFileSync('chown', ['-R', 'nobody:nogroup', box.replace('/cur', '')]);
  const config = `base_dir = ${at.make('run', 0o755)}
state_dir = ${at.make('state', 0o755)}
log_path = ${at.at('log')}
protocols = ${protocol}
ssl = no
disable_plaintext_auth = no
listen = ${at.host}
default_internal_user = dovecot
mail_location = maildir:${at.at('mail')}
first_valid_uid = 1
service ${protocol}-login {
  inet_listener ${protocol} {
    port = ${at.port()}
  }
  inet_listener ${protocol}s {
    port = 0
  }
}
passdb {
  driver = static
  args = password=p
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${at.at('mail')}
}
`;
  await at.server(['dovecot', '-F', '-c', at.write('dovecot.conf', config)]);
}

const ZONE = `$TTL 60
@ IN SOA ns root 1 60 60 60 60
@ IN NS ns
ns IN A 192.0.2.1
mark IN TXT "${MARK}"
${Array.from({ length: 200 }, (_, i) => `h${i} IN A 192.0.2.${i}`).join('\n')}
`;

const dig = async (at: Place, ...questions: string[][]): Promise<void> => {
  for (const question of questions) {
    await at.client([
      'dig',
      '+tcp',
      '+noall',
      '+answer',
      '+timeout=40',
      '+tries=1',
      '-p',
      String(at.port()),
      `@${at.host}`,
      ...question,
    ]);
  }
};

export const NAMES: readonly Situation[] = [
  {
    name: 'aiosmtpd and swaks',
    packages: ['python3-aiosmtpd', 'swaks'],
    does: says('a mail with an attachment', '带附件的邮件'),
    says: 'has Subject',
    run: async (at) => {
      await smtp(at);
      const flags = [
        '--to',
        'u@example.org',
        '--from',
        'x@example.org',
        '--helo',
        'node-a',
        '--timeout',
        '40',
        '--attach',
        `@${at.content('text')}`,
      ];
      const server = at.family === 'IPv6' ? ['-6', '--server', at.host] : ['--server', at.host];
      await at.client([
        'swaks',
        ...server,
        '--port',
        String(at.port()),
        ...flags,
        '-n',
        '--hide-send',
        '--suppress-data',
      ]);
      await at.contains('mail', 'Subject');
    },
    varies: MAIL,
  },
  {
    name: 'msmtp',
    packages: ['python3-aiosmtpd', 'msmtp'],
    does: says('a mail of 180 kB', '180 kB 的邮件'),
    says: `has ${MARK} line 2999`,
    run: async (at) => {
      await smtp(at);
      const target = `--host=${at.host} --port=${at.port()} --from=x@example.org --domain=node-a u@example.org`;
      await at.client(
        `(printf 'Subject: x\\n\\n'; cat ${at.content('text')}) | msmtp --file=/dev/null ${target}; echo $?`,
        { name: 'msmtp' },
      );
      await at.contains('mail', `${MARK} line 2999`);
    },
  },
  {
    name: 's-nail',
    packages: ['python3-aiosmtpd', 's-nail'],
    does: says('a short mail', '一封短邮件'),
    says: `has ${MARK}`,
    run: async (at) => {
      await smtp(at);
      const flags = ['-:/', '-Sv15-compat', `-Smta=smtp://${at.authority()}`, '-Shostname=node-a'];
      await at.client(
        `echo ${MARK} | s-nail ${flags.join(' ')} -Ssmtp-auth=none -r x@example.org -s subject u@example.org; echo $?`,
        { name: 's-nail', env: { HOME: at.folder } },
      );
      await at.contains('mail', MARK);
    },
  },
  {
    name: 'exim4',
    packages: ['exim4-daemon-light', 'python3'],
    does: says('takes a mail from smtplib and delivers it to a file', '从 smtplib 接收邮件并投递到文件'),
    says: `has ${MARK} line 2999`,
    ipv4Only: true,
    differs: {
      seen: /^python3: status plain 0, secured did not end\n/,
      reason: says(
        'before it greets, Exim asks by poll, without waiting, whether the client speaks too early, and if so reads what it says (wouldblock_reading() of its smtp_in.c). The bytes of the handshake make the socket readable (nothing in BPF can take a poll back), ' +
          'so Exim waits for the client, who waits for the greeting. It happens when the poll comes before the end of the handshake.',
        'Exim 在问候之前用不等待的 poll 检查客户端是否抢先发话，若可读就去读（其 smtp_in.c 的 wouldblock_reading()）。握手的字节使套接字可读（BPF 无法改变 poll 的结果），于是 Exim 等待客户端，而客户端在等问候。poll 早于握手结束时就会发生。',
      ),
    },
    run: async (at) => {
      mkdirSync(at.at('spool'));
      execFileSync('chown', ['Debian-exim', at.at('spool'), at.folder]);
      const config = `spool_directory = ${at.at('spool')}
log_file_path = ${at.at('spool')}/%slog
primary_hostname = node-b
acl_smtp_rcpt = accept_all
acl_smtp_data = accept_all
local_interfaces = <; ${at.host}
daemon_smtp_ports = ${at.port()}
host_lookup =
rfc1413_query_timeout = 0s
never_users =
queue_only = false
tls_advertise_hosts =
begin acl
accept_all:
  accept
begin routers
all:
  driver = accept
  transport = file
begin transports
file:
  driver = appendfile
  file = ${at.at('mail')}
  user = Debian-exim
  create_file = anywhere
`;
      await at.server(['/usr/sbin/exim4', '-bdf', '-C', at.write('exim.conf', config)]);
      const script = `import smtplib
s = smtplib.SMTP('${at.host}', ${at.port()}, local_hostname='node-a', timeout=60)
print(s.ehlo()[0]); print(s.sendmail('x@example.org', ['u@example.org'], 'Subject: x\\n\\n' + open('${at.content('text')}').read())); print(s.quit()[0])`;
      await at.client(python(at, 'client.py', script));
      await at.contains('mail', `${MARK} line 2999`);
    },
  },
  {
    name: 'dovecot and curl',
    packages: ['dovecot-imapd', 'curl'],
    does: says('lists a box and reads a mail, IMAP', '列出邮箱并读取邮件，IMAP'),
    says: `${MARK} 3`,
    connections: 2,
    run: async (at) => {
      await dovecot(at, 'imap');
      const url = `imap://${at.authority()}`;
      await at.client(['curl', '-gsS', '-u', 'u:p', `${url}/`]);
      await at.client(['curl', '-gsS', '-u', 'u:p', `${url}/INBOX;MAILINDEX=3`]);
    },
  },
  {
    name: 'dovecot and imaplib',
    packages: ['dovecot-imapd', 'python3'],
    does: says('searches, fetches, appends', '搜索、获取、追加'),
    says: `${MARK} 2`,
    run: async (at) => {
      await dovecot(at, 'imap');
      const script = `import imaplib
m = imaplib.IMAP4('${at.host}', ${at.port()}); print(m.login('u', 'p')[0]); print(m.select())
print(m.search(None, 'SUBJECT', '"${MARK} 2"')); print(m.fetch('2', '(BODY[HEADER])')[1][0][1]); print(m.fetch('3', '(RFC822.SIZE)'))
print(m.append('INBOX', None, None, open('${at.content('text')}', 'rb').read())[0]); print(m.select()); print(m.logout()[0])`;
      await at.client(python(at, 'client.py', script));
    },
  },
  {
    name: 'dovecot and fetchmail',
    packages: ['dovecot-pop3d', 'fetchmail'],
    does: says('fetches three mails, POP3', '获取三封邮件，POP3'),
    says: `${MARK} 3`,
    run: async (at) => {
      await dovecot(at, 'pop3');
      const rc = `poll ${at.host} service ${at.port()} protocol pop3 timeout 60 user u password p sslproto '' keep fetchall mda "cat >> ${at.at('got')}"\n`;
      at.write('fetchmailrc', rc, 0o600);
      const env = { HOME: at.folder, FETCHMAILHOME: at.folder };
      await at.client(['fetchmail', '-s', '-f', 'fetchmailrc', '--nodetach', '-d0', '--pidfile', at.at('fetch.pid')], {
        env,
      });
      await at.client('grep Subject got', { name: 'grep' });
    },
  },
  {
    name: 'bind9',
    packages: ['bind9', 'bind9-dnsutils'],
    does: says('dig over TCP, and the transfer of a zone', 'dig 经 TCP 查询，以及区域传送'),
    says: MARK,
    connections: 2,
    run: async (at) => {
      at.write('zone', ZONE);
      const six = at.family === 'IPv6';
      const config = `options { directory "${at.folder}"; pid-file none; recursion no; allow-transfer { any; };
listen-on port ${at.port()} { ${six ? 'none' : at.host}; }; listen-on-v6 port ${at.port()} { ${six ? at.host : 'none'}; }; };
controls { }; zone "example.net" { type master; file "zone"; };`;
      await at.server(['/usr/sbin/named', '-g', '-n', '1', '-c', at.write('named.conf', config)]);
      await dig(at, ['mark.example.net', 'TXT'], ['example.net', 'AXFR']);
    },
  },
  {
    name: 'dnsmasq',
    packages: ['dnsmasq-base', 'bind9-dnsutils'],
    does: says('dig over TCP, two questions', 'dig 经 TCP，两次查询'),
    says: MARK,
    connections: 2,
    run: async (at) => {
      const flags = [
        '-k',
        '-C',
        '/dev/null',
        '-R',
        '-h',
        '-z',
        '-a',
        at.host,
        '-p',
        String(at.port()),
        '-u',
        'root',
        `--pid-file=${at.at('pid')}`,
      ];
      await at.server([
        'dnsmasq',
        ...flags,
        `--txt-record=mark.test,${MARK}`,
        '--address=/h.test/192.0.2.7',
        '-i',
        'eth0',
      ]);
      await dig(at, ['mark.test', 'TXT'], ['h.test', 'A']);
    },
    varies: [[/\t0\t/g, '\tTTL\t']],
  },
  {
    name: 'unbound',
    packages: ['unbound', 'knot-dnsutils'],
    does: says('kdig over TCP, two questions on one connection', 'kdig 经 TCP，一条连接两次查询'),
    says: MARK,
    run: async (at) => {
      const config = `server:
  interface: ${at.host}@${at.port()}
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  do-daemonize: no
  use-syslog: no
  chroot: ""
  username: ""
  pidfile: ""
  num-threads: 1
  module-config: "iterator"
  local-data: 'mark.test. TXT "${MARK}"'
  local-data: 'h.test. A 192.0.2.7'
remote-control:
  control-enable: no
`;
      await at.server(['unbound', '-d', '-c', at.write('unbound.conf', config)]);
      const flags = [
        '+tcp',
        '+keepopen',
        '+noall',
        '+answer',
        '+timeout=40',
        '+retry=0',
        '-p',
        String(at.port()),
        `@${at.host}`,
      ];
      await at.client(['kdig', ...flags, 'mark.test', 'TXT', 'h.test', 'A']);
    },
  },
  {
    name: 'slapd',
    packages: ['slapd', 'ldap-utils'],
    does: says('ldapadd of 30 entries, ldapsearch', 'ldapadd 30 个条目，ldapsearch'),
    says: '# numEntries: 31',
    connections: 2,
    run: async (at) => {
      at.make('db', 0o700);
      const config = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${at.at('pid')}
database mdb
maxsize 10485760
suffix "dc=x"
rootdn "cn=admin,dc=x"
rootpw p
directory ${at.at('db')}
`;
      const url = `ldap://${at.authority()}`;
      await at.server(['/usr/sbin/slapd', '-d', '0', '-f', at.write('slapd.conf', config), '-h', url]);
      const entries = Array.from(
        { length: 30 },
        (_, n) => `dn: cn=n${n},dc=x\nobjectClass: person\ncn: n${n}\nsn: ${MARK}\n`,
      );
      at.write(
        'ldif',
        ['dn: dc=x\nobjectClass: dcObject\nobjectClass: organization\ndc: x\no: x\n', ...entries].join('\n'),
      );
      await at.client(['ldapadd', '-x', '-H', url, '-D', 'cn=admin,dc=x', '-w', 'p', '-f', 'ldif']);
      await at.client(['ldapsearch', '-x', '-H', url, '-b', 'dc=x']);
    },
  },
  {
    name: 'whois',
    packages: ['whois', 'ucspi-tcp'],
    does: says('asks tcpserver, which runs a script for each client', '查询 tcpserver，后者为每个客户端运行脚本'),
    says: MARK,
    ipv4Only: true,
    run: async (at) => {
      const answer = `read -r q; echo "you asked for $q"; cat ${at.content('page.html')}`;
      await at.server(['tcpserver', '-H', '-R', '-l', '0', at.host, String(at.port()), 'bash', '-c', answer]);
      await at.client(['whois', '-h', at.host, '-p', String(at.port()), 'example.net']);
    },
  },
];
