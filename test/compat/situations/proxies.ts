// SPDX-License-Identifier: Apache-2.0
/** Proxies and relays on node b, between a client and an origin on node a: both of their connections are secured. */
import { MARK } from '../content.js';
import type { Place } from '../place.js';
import { says, type Situation } from '../situation.js';
import { fetchFile, nginx, origin, THROUGH } from './common.js';

/** Of two hops each. */
const proxy = (
  name: string,
  packages: readonly string[],
  start: (at: Place, target: string) => Promise<unknown>,
  { flags = () => [], ...rest }: Partial<Situation> & { flags?: (at: Place) => string[] } = {},
): Situation => ({
  name,
  packages: [...packages, 'nginx-light', 'curl'],
  does: THROUGH,
  says: '200 1000011',
  connections: 2,
  ...rest,
  run: async (at) => {
    const target = await origin(at);
    await start(at, target);
    const options = flags(at);
    // Told of it by an option, a proxy is asked for the origin's own URL.
    await fetchFile(at, options.length > 0 ? `http://${target}/file` : at.url('/file'), ...options);
  },
});

const byOption = (at: Place): string[] => ['-x', `http://${at.authority()}`, '--noproxy', ''];
const bySocks = (at: Place): string[] => ['--socks5', at.authority()];

const haproxy = async (at: Place, mode: string, target: string): Promise<unknown> => {
  const config = `global
  maxconn 50
defaults
  mode ${mode}
  timeout connect 60s
  timeout client 60s
  timeout server 60s
frontend f
  bind ${at.authority()}
  default_backend b
backend b
  server one ${target}
`;
  return at.server(['haproxy', '-db', '-f', at.write('haproxy.cfg', config)]);
};

export const PROXIES: readonly Situation[] = [
  proxy('haproxy, HTTP', ['haproxy'], (at, target) => haproxy(at, 'http', target)),
  proxy('haproxy, TCP', ['haproxy'], (at, target) => haproxy(at, 'tcp', target)),
  proxy('nginx proxy_pass', [], (at, target) =>
    nginx(at, { more: `location / { proxy_pass http://${target}; proxy_http_version 1.1; }` }),
  ),
  proxy('nginx stream', ['libnginx-mod-stream'], (at, target) => {
    const config = `load_module /usr/lib/nginx/modules/ngx_stream_module.so; daemon off; worker_processes 1; pid ${at.at('pid')};
      error_log stderr; user root; events { worker_connections 64; }
      stream { server { listen ${at.authority()}; proxy_pass ${target}; } }`;
    return at.server(['nginx', '-e', 'stderr', '-c', at.write('stream.conf', config)]);
  }),
  proxy(
    'squid',
    ['squid'],
    (at) => {
      const config = `http_port ${at.authority()}
http_access allow all
cache deny all
pid_filename ${at.at('squid.pid')}
access_log none
cache_log ${at.at('cache.log')}
coredump_dir ${at.folder}
pinger_enable off
netdb_filename none
max_filedescriptors 1024
shutdown_lifetime 1 seconds
visible_hostname node-b
`;
      return at.server(['squid', '-N', '-f', at.write('squid.conf', config)]);
    },
    { flags: byOption },
  ),
  proxy(
    'tinyproxy',
    ['tinyproxy-bin'],
    (at) => {
      const config = `Port ${at.port()}\nListen ${at.host}\nTimeout 60\nMaxClients 10\nLogFile "${at.at('log')}"\n`;
      return at.server(['tinyproxy', '-d', '-c', at.write('tinyproxy.conf', config)]);
    },
    { flags: byOption },
  ),
  proxy(
    'privoxy',
    ['privoxy'],
    (at) => {
      const config = `confdir /etc/privoxy\nlogdir ${at.folder}\nlisten-address ${at.authority()}\ntoggle 0\n`;
      return at.server(['privoxy', '--no-daemon', at.write('privoxy.conf', config)]);
    },
    { flags: byOption },
  ),
  proxy('varnish', ['varnish'], (at, target) => {
    const [host, port] = [at.origin, target.slice(target.lastIndexOf(':') + 1)];
    const vcl = at.write('site.vcl', `vcl 4.1;\nbackend one { .host = "${host}"; .port = "${port}"; }\n`);
    return at.server([
      'varnishd',
      '-F',
      '-j',
      'none',
      '-n',
      at.make('varnish'),
      '-a',
      at.authority(),
      '-f',
      vcl,
      '-s',
      'malloc,16m',
    ]);
  }),
  proxy('socat', ['socat'], (at, target) => {
    const six = at.family === 'IPv6' ? '6' : '4';
    const bind = at.family === 'IPv6' ? `[${at.host}]` : at.host;
    return at.server(['socat', `TCP${six}-LISTEN:${at.port()},bind=${bind},fork,reuseaddr`, `TCP${six}:${target}`]);
  }),
  proxy('pen', ['pen'], (at, target) => at.server(['pen', '-f', at.authority(), target]), {
    ipv4Only: true,
  }),
  proxy('redir', ['redir'], (at, target) => at.server(['redir', '-n', at.authority(), target]), { ipv4Only: true }),
  proxy(
    'rinetd',
    ['rinetd'],
    (at, target) => {
      const rule = `${at.host} ${at.port()} ${at.origin} ${target.slice(target.lastIndexOf(':') + 1)}\n`;
      return at.server(['rinetd', '-f', '-c', at.write('rinetd.conf', rule)]);
    },
    { ipv4Only: true },
  ),
  proxy(
    'dante (SOCKS)',
    ['dante-server'],
    (at) => {
      const config = `logoutput: stderr
internal: ${at.host} port = ${at.port()}
external: ${at.host}
socksmethod: none
clientmethod: none
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
`;
      return at.server(['danted', '-f', at.write('danted.conf', config), '-p', at.at('pid')]);
    },
    { flags: bySocks, ipv4Only: true },
  ),
  proxy('microsocks', ['microsocks'], (at) => at.server(['microsocks', '-i', at.host, '-p', String(at.port())]), {
    flags: bySocks,
  }),
  proxy(
    'ncat --proxy-type http',
    ['ncat'],
    (at) => at.server(['ncat', '-l', at.host, String(at.port()), '--proxy-type', 'http', '-k']),
    { flags: (at) => [...byOption(at), '-p'] },
  ),
  proxy('xinetd redirect', ['xinetd'], (at, target) => {
    const port = target.slice(target.lastIndexOf(':') + 1);
    const config = `service relay
{
  type = UNLISTED
  port = ${at.port()}
  bind = ${at.host}
  socket_type = stream
  protocol = tcp
  wait = no
  user = root
  redirect = ${at.origin} ${port}
}
`;
    return at.server(['xinetd', '-dontfork', '-f', at.write('xinetd.conf', config), '-pidfile', at.at('pid')]);
  }),
  {
    name: 'stunnel',
    packages: ['stunnel4', 'nginx-light', 'curl'],
    does: says('GET of 1 MB through a TLS tunnel of its own: TLS in TLS', '经其自身的 TLS 隧道获取 1 MB:TLS 中的 TLS'),
    says: '200 1000011',
    connections: 2,
    run: async (at) => {
      const target = await origin(at);
      const key = at.at('key.pem');
      const made = `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=b -keyout ${key} -out ${key}.crt 2>&1`;
      await at.prepare(['bash', '-c', `${made}; cat ${key}.crt >> ${key}`]);
      const server = `foreground = yes\npid =\n[in]\ncert = ${key}\naccept = ${at.authority()}\nconnect = ${target}\n`;
      const client = `foreground = yes\npid =\n[out]\nclient = yes\naccept = ${at.authority(at.port(2), at.origin)}\nconnect = ${at.authority()}\n`;
      await at.server(['stunnel4', at.write('server.conf', server)]);
      await at.server(['stunnel4', at.write('client.conf', client)], { node: 'a', port: at.port(2) });
      await fetchFile(at, `http://${at.authority(at.port(2), at.origin)}/file`);
    },
  },
  {
    name: 'openssl s_server',
    packages: ['openssl'],
    does: says('s_client asks s_server -WWW: TLS in TLS', 's_client 请求 s_server -WWW:TLS 中的 TLS'),
    says: MARK,
    run: async (at) => {
      const key = at.at('key.pem');
      const made = `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=b -keyout ${key} -out ${key}.crt 2>&1`;
      await at.prepare(['bash', '-c', made]);
      const flags = ['-key', key, '-cert', `${key}.crt`, '-accept', at.authority(), '-WWW'];
      await at.server(['openssl', 's_server', ...flags], { cwd: at.contents });
      await at.client(
        `printf 'GET /page.html HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -ign_eof -connect '${at.authority()}' 2>/dev/null`,
      );
    },
  },
];
