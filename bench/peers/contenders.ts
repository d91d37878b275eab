// SPDX-License-Identifier: Apache-2.0
/**
 * What a user could pick, each set up to do the same work: mutual TLS 1.3 between nodes a and b, TLS_AES_128_GCM_SHA256, X25519, the lab's
 * certificates verified on both sides, no resumption. Node.js and the agents stay as they are for all of them.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { lab, type Program } from '../../test/vm/harness/index.js';
import type { Exchange } from '../exchange.js';

export const LOAD = resolve('build/bench-programs/peer_load');
export const LAB_DIR = process.env.TLSHUB_LAB_DIR ?? '/run/tlshub-lab';
export const PKI = `${LAB_DIR}/pki`;
const B = '10.77.0.2';
/** The plaintext server of node b, outside the captured cgroup: for plaintext, and behind the proxies. */
const PLAIN_PORT = 7001;

export interface Contender {
  name: string;
  title: string;
  /** who encrypts in peer_load itself */
  how: 'plain' | 'tls' | 'ktls';
  captured: boolean;
  /** captured: how its connections come by their keys */
  exchange?: Exchange;
  host: string;
  port: number;
  /** starts what it needs beside the client; the programs that do TLS, if others than peer_load do */
  start(): Promise<Program[]>;
}

async function serve(port: number, how: Contender['how'], captured: boolean): Promise<Program> {
  const server = lab.spawn('b', [LOAD, 'serve', `${port}`, how, PKI, 'b'], { outside: !captured });
  await server.listening(port);
  return server;
}

/** A proxy in each node: a's takes plaintext on loopback, b's gives plaintext to the server on loopback. */
interface ProxyPair {
  client: { config: string; command: (file: string) => string[] };
  server: { config: string; command: (file: string) => string[] };
}

interface Ports {
  /** of node a's proxy, on loopback */
  plain: number;
  /** of node b's proxy */
  tls: number;
  /** connections at once */
  most: number;
}

function stunnel({ plain, tls }: Ports): ProxyPair {
  const both = (node: string, peer: string): string =>
    `foreground = yes\npid =\ndebug = err\n[mesh]\nsslVersion = TLSv1.3\nciphersuites = TLS_AES_128_GCM_SHA256\ncurves = X25519\n` +
    `CAfile = ${PKI}/ca.crt\ncert = ${PKI}/${node}.crt\nkey = ${PKI}/${node}.key\nverifyChain = yes\ncheckHost = ${peer}\n` +
    'options = NO_TICKET\nsessionResume = no\nTIMEOUTclose = 0\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n';
  const command = (file: string): string[] => ['/usr/bin/stunnel4', file];
  return {
    client: { config: `${both('a', 'b')}client = yes\naccept = 127.0.0.1:${plain}\nconnect = ${B}:${tls}\n`, command },
    server: { config: `${both('b', 'a')}accept = ${B}:${tls}\nconnect = 127.0.0.1:${PLAIN_PORT}\n`, command },
  };
}

function nginx({ plain, tls }: Ports): ProxyPair {
  const around = (node: string, server: string): string =>
    `load_module /usr/lib/nginx/modules/ngx_stream_module.so;\ndaemon off;\nmaster_process off;\npid ${LAB_DIR}/out/nginx-${node}.pid;\n` +
    `error_log stderr error;\nworker_rlimit_nofile 60000;\nevents { worker_connections 30000; }\nstream {\n  tcp_nodelay on;\n  server {\n${server}  }\n}\n`;
  const command = (file: string): string[] => ['/usr/sbin/nginx', '-e', 'stderr', '-c', file];
  const own = (prefix: string, node: string): string =>
    `    ${prefix}_certificate ${PKI}/${node}.crt;\n    ${prefix}_certificate_key ${PKI}/${node}.key;\n    ${prefix}_protocols TLSv1.3;\n` +
    `    ${prefix}_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n    ${prefix}_conf_command Groups X25519;\n`;
  return {
    client: {
      config: around(
        'a',
        `    listen 127.0.0.1:${plain} backlog=4096;\n    proxy_pass ${B}:${tls};\n    proxy_ssl on;\n${own('proxy_ssl', 'a')}` +
          `    proxy_ssl_trusted_certificate ${PKI}/ca.crt;\n    proxy_ssl_verify on;\n    proxy_ssl_name b;\n    proxy_ssl_session_reuse off;\n`,
      ),
      command,
    },
    server: {
      config: around(
        'b',
        `    listen ${B}:${tls} ssl backlog=4096;\n    proxy_pass 127.0.0.1:${PLAIN_PORT};\n${own('ssl', 'b')}` +
          `    ssl_client_certificate ${PKI}/ca.crt;\n    ssl_verify_client on;\n    ssl_session_cache off;\n    ssl_session_tickets off;\n`,
      ),
      command,
    },
  };
}

function haproxy({ plain, tls, most }: Ports): ProxyPair {
  const around = (options: string, body: string): string =>
    `global\n  maxconn ${most}\n${options}  ssl-server-verify required\ndefaults\n  mode tcp\n  timeout connect 30s\n  timeout client 1h\n  timeout server 1h\n${body}`;
  const tlsOptions = 'ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256 curves X25519';
  const command = (file: string): string[] => ['/usr/sbin/haproxy', '-q', '-db', '-f', file];
  const pem = (node: string): string => `${LAB_DIR}/out/haproxy-${node}.pem`;
  return {
    client: {
      config: around(
        '',
        `listen out\n  bind 127.0.0.1:${plain} backlog 4096\n  server b ${B}:${tls} ssl verify required verifyhost b ca-file ${PKI}/ca.crt ` +
          `crt ${pem('a')} no-ssl-reuse no-tls-tickets ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256\n`,
      ),
      command,
    },
    server: {
      config: around(
        '  tune.ssl.cachesize 0\n',
        `listen in\n  bind ${B}:${tls} backlog 4096 ssl crt ${pem('b')} ca-file ${PKI}/ca.crt verify required no-tls-tickets ${tlsOptions}\n` +
          `  server app 127.0.0.1:${PLAIN_PORT}\n`,
      ),
      command,
    },
  };
}

function proxies(name: string, title: string, ports: Ports, pair: (ports: Ports) => ProxyPair, out: string): Contender {
  return {
    ...{ name, title, how: 'plain', captured: false, host: '127.0.0.1', port: ports.plain },
    async start() {
      const { client, server } = pair(ports);
      mkdirSync(join(out, 'configs'), { recursive: true });
      const begin = async (
        node: 'a' | 'b',
        { config, command }: ProxyPair['client'],
        port: number,
      ): Promise<Program> => {
        const file = join(out, 'configs', `${name}-${node}.conf`);
        writeFileSync(file, config);
        const program = lab.spawn(node, command(file), { outside: true });
        await program.listening(port);
        return program;
      };
      return [await begin('b', server, ports.tls), await begin('a', client, ports.plain)];
    },
  };
}

function direct(name: string, title: string, how: Contender['how'], port: number, exchange?: Exchange): Contender {
  const captured = exchange !== undefined;
  return {
    ...{ name, title, how, captured, host: B, port },
    ...(exchange !== undefined && { exchange }),
    async start() {
      await serve(port, how, captured);
      return [];
    },
  };
}

/** @param out where the proxies' configurations are written; @param most connections at once */
export function contendersFor(out: string, most: number): Contender[] {
  return [
    direct('plaintext', 'plaintext', 'plain', PLAIN_PORT),
    direct('tlshub', 'this project (openssl), keys by name', 'plain', 7002, 'channel'),
    direct('tlshub-in-band', 'this project (openssl), in-band', 'plain', 7008, 'in-band'),
    proxies('stunnel', 'stunnel pair', { plain: 7103, tls: 8003, most }, stunnel, out),
    proxies('nginx', 'nginx stream pair', { plain: 7104, tls: 8004, most }, nginx, out),
    proxies('haproxy', 'haproxy pair', { plain: 7105, tls: 8005, most }, haproxy, out),
    direct('openssl', 'OpenSSL in the program', 'tls', 7006),
    direct('openssl-ktls', "OpenSSL's own kTLS", 'ktls', 7007),
  ];
}
