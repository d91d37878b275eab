// SPDX-License-Identifier: Apache-2.0
/** The servers of the matrix, unmodified and in captured cgroups, each with a configuration of its own in the folder of the run. */
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { lab, type MeshNode, type Program } from '../harness/index.js';
import { at, FOLDER } from './files.js';

export const PORTS = { nginx: 8080, redis: 6379, postgres: 5432, ssh: 2222, python: 8000, iperf: 5201, node: 8081 };
const PYTHON = '/usr/bin/python3';
export const POSTGRES_BIN = '/usr/lib/postgresql/15/bin';

/** Serves the folder of the run, with the settings of Debian's nginx.conf that concern sockets. */
export async function nginx(node: MeshNode = 'b'): Promise<Program> {
  const config = `daemon off; worker_processes 1; pid ${at(`nginx-${node}.pid`)}; error_log stderr; user root;
    events { worker_connections 128; }
    http { sendfile on; tcp_nopush on; access_log off; default_type application/octet-stream;
      server { listen ${PORTS.nginx}; listen [::]:${PORTS.nginx}; root ${FOLDER}; } }`;
  writeFileSync(at(`nginx-${node}.conf`), config);
  const program = lab.spawn(node, ['nginx', '-c', at(`nginx-${node}.conf`)]);
  await program.listening(PORTS.nginx);
  return program;
}

export async function redis(): Promise<Program> {
  const options = [
    '--port',
    String(PORTS.redis),
    '--bind',
    '10.77.0.2',
    'fd77::2',
    '--save',
    '',
    '--protected-mode',
    'no',
  ];
  const program = lab.spawn('b', ['redis-server', ...options], { cwd: FOLDER });
  await program.listening(PORTS.redis);
  return program;
}

/** http.server: a blocking server with a thread for each connection. */
export async function pythonHttp(): Promise<Program> {
  const command = [PYTHON, '-m', 'http.server', String(PORTS.python), '--bind', '10.77.0.2', '--directory', FOLDER];
  const program = lab.spawn('b', command);
  await program.listening(PORTS.python);
  return program;
}

export async function nodeHttp(): Promise<Program> {
  const program = lab.spawn('b', ['node', resolve('build/test/programs/http-echo.js'), String(PORTS.node)]);
  await program.listening(PORTS.node);
  return program;
}

/** Ends after one test. */
export async function iperf(): Promise<Program> {
  const program = lab.spawn('b', ['iperf3', '--server', '--one-off']);
  await program.listening(PORTS.iperf);
  return program;
}

/** Makes keys of its own for host and user; the user's is at('user-key'). */
export async function sshd(): Promise<Program> {
  for (const name of ['host-key', 'user-key']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
  }
  execFileSync('cp', [at('user-key.pub'), at('authorized_keys')]);
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 }); // its privilege separation wants it
  const config = [
    `Port ${PORTS.ssh}`,
    `HostKey ${at('host-key')}`,
    `AuthorizedKeysFile ${at('authorized_keys')}`,
    'StrictModes no', // the folder is open to all
    'UsePAM no',
    'PermitRootLogin yes',
    'PidFile none',
  ];
  writeFileSync(at('sshd_config'), config.join('\n') + '\n');
  const program = lab.spawn('b', ['/usr/sbin/sshd', '-D', '-e', '-f', at('sshd_config')]);
  await program.listening(PORTS.ssh);
  return program;
}

/** Makes a cluster (it takes a while) and serves it to everybody. */
export async function postgres(): Promise<Program> {
  const folder = at('postgres');
  mkdirSync(folder, { mode: 0o700 });
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' })));
  chownSync(folder, uid ?? 0, gid ?? 0);
  const options = ['-D', folder, '--no-sync', '--no-locale', '--encoding=UTF8', '--auth=trust'];
  const made = await lab.exec('b', [`${POSTGRES_BIN}/initdb`, ...options], { user: 'postgres', timeoutMs: 180_000 });
  if (made.code !== 0) throw new Error(`initdb: ${made.stderr}`);
  writeFileSync(`${folder}/pg_hba.conf`, 'host all all all trust\n');
  const settings = [
    'listen_addresses=*',
    'unix_socket_directories=',
    'fsync=off',
    'autovacuum=off',
    `port=${PORTS.postgres}`,
  ];
  const command = [`${POSTGRES_BIN}/postgres`, '-D', folder, ...settings.flatMap((setting) => ['-c', setting])];
  const program = lab.spawn('b', command, { user: 'postgres', cwd: folder });
  await program.listening(PORTS.postgres, 60_000);
  return program;
}
