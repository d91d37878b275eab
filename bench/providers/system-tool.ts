// SPDX-License-Identifier: Apache-2.0
/** The command-line tool of the system's OpenSSL. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { NODE, PKI } from './in-band.js';
import { processorMs } from './sample.js';

/** `openssl s_time` for some seconds against `openssl s_server`: processor ms for each handshake, both processes together. */
export async function systemTool(seconds: number): Promise<number> {
  const ours = ['-cert', `${PKI}/${NODE}.crt`, '-key', `${PKI}/${NODE}.key`, '-CAfile', `${PKI}/ca.crt`];
  const server = spawn(
    'openssl',
    ['s_server', '-accept', '127.0.0.1:0', ...ours, '-Verify', '4', '-tls1_3', '-num_tickets', '1', '-WWW'],
    {
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  );
  let port: string | undefined;
  for (let said = ''; port === undefined; port = /ACCEPT [^:]*:(\d+)/.exec(said)?.[1]) {
    const [chunk] = (await once(server.stdout, 'data')) as [Buffer];
    said += chunk.toString();
  }
  const client = spawn(
    'openssl',
    ['s_time', '-connect', `127.0.0.1:${port}`, ...ours, '-new', '-time', String(seconds), '-tls1_3', '-verify', '4'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  server.stdout.resume();
  let said = '';
  client.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(client, 'close');
  const [, count, user] = /(\d+) connections in ([\d.]+)s/.exec(said) ?? [];
  const serverMs = processorMs(String(server.pid));
  server.kill();
  return (Number(user) * 1000 + serverMs) / Number(count);
}
