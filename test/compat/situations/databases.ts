// SPDX-License-Identifier: Apache-2.0
/** Databases, caches, and the pools before them. */
import { chownSync, readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { MARK, WORLD } from '../content.js';
import type { Place } from '../place.js';
import { says, type Situation } from '../situation.js';
import { python, redis } from './common.js';

const POSTGRES = '/usr/lib/postgresql/15/bin';

/** What takes long is made once, and copied for each server. */
const made = new Map<string, Promise<string>>();
function once(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = `${WORLD}/made-${name}`;
  const known = made.get(name) ?? make(folder).then(() => folder);
  made.set(name, known);
  return known;
}

function owned(folder: string, user: string): void {
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' })));
  chownSync(folder, uid!, gid!);
}

/** A copy with its owners. */
function copy(from: string, to: string): void {
  execFileSync('cp', ['-a', from, to]);
}

async function postgres(at: Place, port = at.port()): Promise<void> {
  const cluster = await once('postgres', async (folder) => {
    execFileSync('mkdir', ['-m', '700', folder]);
    owned(folder, 'postgres');
    const flags = ['-D', folder, '--no-sync', '--no-locale', '--encoding=UTF8', '--auth=trust'];
    await at.prepare([`${POSTGRES}/initdb`, ...flags], 'postgres');
    execFileSync('bash', ['-c', `printf 'host all all all trust\\nlocal all all trust\\n' > ${folder}/pg_hba.conf`]);
  });
  copy(cluster, at.at('data'));
  const settings = [
    `listen_addresses=${at.host}`,
    `unix_socket_directories=${at.folder}`,
    'fsync=off',
    'autovacuum=off',
    `port=${port}`,
  ];
  settings.push('wal_level=minimal', 'max_wal_senders=0');
  const flags = settings.flatMap((setting) => ['-c', setting]);
  await at.server([`${POSTGRES}/postgres`, '-D', at.at('data'), ...flags], { user: 'postgres', port });
  // Not over TCP: a probe from outside the mesh is refused.
  const ready = [`${POSTGRES}/pg_isready`, '-q', '-h', at.folder, '-p', String(port)];
  await at.until(ready, 'PostgreSQL');
}

const psql = (at: Place, port: number, ...queries: string[]): string[] => {
  const target = ['-h', at.host, '-p', String(port), '-U', 'postgres', '-d', 'postgres', '-v', 'ON_ERROR_STOP=1'];
  return [`${POSTGRES}/psql`, '-X', ...target, ...queries.flatMap((query) => ['-c', query])];
};

async function mariadb(at: Place): Promise<void> {
  const data = await once('mariadb', async (folder) => {
    execFileSync('mkdir', ['-m', '755', folder]);
    owned(folder, 'mysql');
    const flags = [`--datadir=${folder}`, '--user=mysql', '--auth-root-authentication-method=normal', '--skip-test-db'];
    await at.prepare(['mariadb-install-db', '--no-defaults', ...flags, '--innodb-log-file-size=4M']);
  });
  copy(data, at.at('data'));
  const settings = [
    '--no-defaults',
    `--datadir=${at.at('data')}`,
    '--user=mysql',
    `--bind-address=${at.host}`,
    `--port=${at.port()}`,
  ];
  settings.push(
    `--socket=${at.at('s')}`,
    '--skip-name-resolve',
    '--innodb-buffer-pool-size=16M',
    '--innodb-log-file-size=4M',
  );
  settings.push(`--pid-file=${at.at('data')}/pid`);
  await at.server(['mariadbd', ...settings]);
  const grant = "CREATE USER 'u'@'%' IDENTIFIED BY 'p'; GRANT ALL ON *.* TO 'u'@'%'; CREATE DATABASE d";
  await at.until(['mariadb', '--no-defaults', '-S', at.at('s'), '-u', 'root', '-e', grant], 'MariaDB');
}

const memcached = (at: Place): Promise<unknown> =>
  at.server(['memcached', '-u', 'nobody', '-l', at.host, '-p', String(at.port()), '-U', '0']);

export const DATABASES: readonly Situation[] = [
  {
    name: 'redis-cli',
    packages: ['redis-server', 'redis-tools'],
    does: says('stores and reads a text of 180 kB', '存取 180 kB 文本'),
    says: MARK,
    connections: 2,
    run: async (at) => {
      await redis(at);
      const cli = ['redis-cli', '-h', at.host, '-p', String(at.port())];
      await at.client([...cli, '-x', 'SET', 'text'], { input: readFileSync(at.content('text')) });
      await at.client([...cli, 'GET', 'text']);
    },
  },
  {
    name: 'redis-benchmark',
    packages: ['redis-server', 'redis-tools'],
    does: says('1,000 SET and GET over 10 connections, pipelined', '10 条连接、流水线方式 1,000 次 SET 与 GET'),
    says: 'done 0',
    connections: 10,
    run: async (at) => {
      await redis(at);
      const flags = `-h ${at.host} -p ${at.port()} -c 10 -n 1000 -P 8 -t set,get --csv`;
      await at.client(`redis-benchmark ${flags} 2>&1 | cut -d, -f1; echo done \${PIPESTATUS[0]}`);
    },
  },
  {
    name: 'redis subscribers',
    packages: ['redis-server', 'python3-redis'],
    does: says(
      'two subscribers, a publisher and a blocking BLPOP (Python)',
      '两个订阅者、一个发布者与阻塞的 BLPOP(Python)',
    ),
    says: MARK,
    connections: 4,
    run: async (at) => {
      await redis(at);
      const script = `import redis, threading
r = redis.Redis('${at.host}', ${at.port()})
subs = [redis.Redis('${at.host}', ${at.port()}).pubsub() for _ in range(2)]
for s in subs:
    s.subscribe('c'); assert s.get_message(timeout=60)['type'] == 'subscribe'
t = threading.Thread(target=lambda: print(redis.Redis('${at.host}', ${at.port()}).blpop('l')))
t.start()
for i in range(3): r.publish('c', '${MARK} %d' % i)
for s in subs:
    for i in range(3): print(s.get_message(timeout=60)['data'])
r.rpush('l', 'x'); t.join()`;
      await at.client(python(at, 'client.py', script));
    },
  },
  {
    name: 'webdis',
    packages: ['webdis', 'redis-server', 'curl'],
    does: says('HTTP to Redis: both connections of it', 'HTTP 转 Redis：两侧连接'),
    says: MARK,
    connections: 3,
    ipv4Only: true,
    run: async (at) => {
      const flags = ['--bind', at.origin, '--save', '', '--protected-mode', 'no', '--port', String(at.port(1))];
      await at.server(['redis-server', ...flags], { node: 'a', port: at.port(1) });
      const config = {
        redis_host: at.origin,
        redis_port: at.port(1),
        http_host: at.host,
        http_port: at.port(),
        threads: 1,
        daemonize: false,
        database: 0,
        pool_size: 1,
        verbosity: 0,
        logfile: at.at('log'),
        acl: [{ disabled: [] }],
      };
      await at.server(['webdis', at.write('webdis.json', JSON.stringify(config))]);
      await at.client(['curl', '-gsS', at.url(`/SET/k/${MARK}`)]);
      await at.client(['curl', '-gsS', at.url('/GET/k')]);
    },
  },
  {
    name: 'memcached',
    packages: ['memcached', 'libmemcached-tools'],
    does: says('memccp stores a text, memccat reads it, memcping', 'memccp 存文本、memccat 读取、memcping'),
    says: MARK,
    connections: 3,
    ipv4Only: true,
    run: async (at) => {
      await memcached(at);
      const servers = `--servers=${at.authority()}`;
      await at.client(['memccp', servers, at.content('text')]);
      await at.client(['memccat', servers, 'text']);
      await at.client(['memcping', servers]);
    },
  },
  {
    name: 'psql',
    packages: ['postgresql-15', 'postgresql-client-15'],
    does: says('copies a text in and out, and 1,000 rows', '文本导入导出，以及 1,000 行'),
    says: '1000',
    run: async (at) => {
      await postgres(at);
      const queries = [
        'CREATE TABLE t (line text)',
        `\\copy t from '${at.content('text')}'`,
        `\\copy t to '${at.at('out')}'`,
      ];
      await at.client(
        psql(at, at.port(), ...queries, 'SELECT count(*) FROM generate_series(1,1000)', 'SELECT * FROM t LIMIT 200'),
      );
      at.holds('out', 'text');
    },
  },
  {
    name: 'pgbench',
    packages: ['postgresql-15', 'postgresql-contrib'],
    does: says('initialises, then 4 clients with 20 transactions each', '初始化，然后 4 个客户端各 20 个事务'),
    says: '80/80',
    connections: 5,
    run: async (at) => {
      await postgres(at);
      const target = `-h ${at.host} -p ${at.port()} -U postgres postgres`;
      await at.client(`${POSTGRES}/pgbench -i -q -s 1 ${target}`, { name: 'pgbench -i', quiet: true });
      await at.client(`${POSTGRES}/pgbench -n -c 4 -t 20 ${target} | grep -vE 'latency|tps|time'`, { name: 'pgbench' });
    },
  },
  {
    name: 'pgbouncer',
    packages: ['pgbouncer', 'postgresql-15'],
    does: says(
      'a pool on node a before PostgreSQL on node b, five queries',
      '节点 a 上的连接池，PostgreSQL 在节点 b，五次查询',
    ),
    says: MARK,
    run: async (at) => {
      await postgres(at, at.port(1));
      const config = `[databases]
postgres = host=${at.host} port=${at.port(1)} dbname=postgres
[pgbouncer]
listen_addr = ${at.origin}
listen_port = ${at.port()}
auth_type = any
unix_socket_dir =
pool_mode = transaction
`.replace('postgres = ', 'postgres = user=postgres ');
      await at.server(['pgbouncer', at.write('pgbouncer.ini', config)], { node: 'a', user: 'postgres' });
      const queries = [
        'CREATE TABLE t (n int)',
        'INSERT INTO t SELECT generate_series(1,500)',
        'SELECT sum(n) FROM t',
        `SELECT '${MARK}'`,
      ];
      const words = psql(at, at.port(), ...queries);
      await at.client(words.map((word) => (word === at.host ? at.origin : word)));
    },
  },
  {
    name: 'psycopg2',
    packages: ['python3-psycopg2', 'postgresql-15'],
    does: says('queries, a cursor of 20,000 rows, LISTEN and NOTIFY', '查询、20,000 行游标、LISTEN 与 NOTIFY'),
    says: MARK,
    connections: 2,
    run: async (at) => {
      await postgres(at);
      const script = `import psycopg2, select
where = "host=${at.host} port=${at.port()} user=postgres dbname=postgres"
c, d = psycopg2.connect(where), psycopg2.connect(where)
c.autocommit = d.autocommit = True
x = c.cursor(); x.execute("SELECT i, repeat('x', 50) FROM generate_series(1,20000) i"); print(len(x.fetchall()))
x.execute("LISTEN c"); d.cursor().execute("NOTIFY c, '${MARK}'")
while not c.notifies: select.select([c], [], [], 60); c.poll()
print(c.notifies[0].payload)`;
      await at.client(python(at, 'client.py', script));
    },
  },
  {
    name: 'mariadb',
    packages: ['mariadb-server', 'mariadb-client', 'python3-pymysql'],
    does: says(
      'a table of 5,000 rows, by its client, mysqldump and PyMySQL',
      '5,000 行的表：客户端、mysqldump、PyMySQL',
    ),
    says: MARK,
    connections: 3,
    run: async (at) => {
      await mariadb(at);
      const target = ['--no-defaults', '-h', at.host, '-P', String(at.port()), '-u', 'u', '-pp'];
      const query = `USE d; CREATE TABLE t AS SELECT seq, '${MARK}' AS mark FROM seq_1_to_5000; SELECT count(*), max(mark) FROM d.t`;
      await at.client(['mariadb', ...target, '-e', query]);
      await at.client(['mariadb-dump', ...target, '--skip-comments', 'd']);
      const script = `import pymysql
c = pymysql.connect(host='${at.host}', port=${at.port()}, user='u', password='p', database='d')
with c.cursor() as x: x.execute('SELECT * FROM t'); print(len(x.fetchall()))
c.close()`;
      await at.client(python(at, 'client.py', script));
    },
  },
  {
    name: 'etcd',
    packages: ['etcd-server', 'etcd-client'],
    does: says('puts, gets and a watch, by gRPC over HTTP/2 (Go)', '写入、读取与监视，gRPC over HTTP/2(Go)'),
    says: MARK,
    connections: 3,
    run: async (at) => {
      const listen = [`--listen-client-urls=${at.url('')}`, `--advertise-client-urls=${at.url('')}`];
      const loopback = `http://127.0.0.1:${at.port(2)}`;
      const peers = [
        `--listen-peer-urls=${loopback}`,
        `--initial-advertise-peer-urls=${loopback}`,
        `--initial-cluster=default=${loopback}`,
      ];
      await at.server(['etcd', '--data-dir', at.make('etcd', 0o700), ...listen, ...peers, '--unsafe-no-fsync']);
      const ctl = `ETCDCTL_API=3 etcdctl --dial-timeout=60s --command-timeout=60s --endpoints=${at.url('')}`;
      await at.client(`${ctl} put k ${MARK}`, { name: 'etcdctl put' });
      await at.client(`${ctl} get k`, { name: 'etcdctl get' });
      const watch = `${ctl} watch --rev=1 k > seen & w=$!; for n in 1 2 3; do ${ctl} put k $n; done`;
      const seen = 'for i in {1..300}; do [ $(grep -c PUT seen) -ge 4 ] && break; sleep 0.1; done; kill $w; cat seen';
      await at.client(`${watch}; ${seen}`, { name: 'etcdctl watch', quiet: true });
    },
  },
];
