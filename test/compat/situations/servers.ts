// SPDX-License-Identifier: Apache-2.0
/** Web servers, each asked by curl. */
import { MARK } from '../content.js';
import type { Place } from '../place.js';
import { says, type Situation } from '../situation.js';
import { fetchFile, fetchPage, GET, GET_PAGE, nginx, python, PYTHON } from './common.js';

const both = async (at: Place): Promise<void> => {
  await fetchFile(at);
  await fetchPage(at);
};
const GET_BOTH = says('GET of 1 MB, and of a page with all headers', '获取 1 MB，以及带全部响应头的网页');

const WSGI = `
def app(environ, start_response):
    body = open('/tmp/compat/content' + environ['PATH_INFO'], 'rb').read()
    start_response('200 OK', [('Content-Type', 'text/html'), ('Content-Length', str(len(body)))])
    return [body]
`;

export const SERVERS: readonly Situation[] = [
  {
    name: 'nginx',
    packages: ['nginx-light', 'curl'],
    does: GET_BOTH,
    says: MARK,
    connections: 2,
    run: async (at) => {
      await nginx(at);
      await both(at);
    },
  },
  {
    name: 'nginx, request body',
    packages: ['nginx-light', 'curl'],
    does: says('POST of 9,000 bytes and PUT of 1 MB through its proxy', '经其代理 POST 9,000 字节、PUT 1 MB'),
    says: '9000',
    connections: 3,
    run: async (at) => {
      const echo = `import http.server
class Echo(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = len(self.rfile.read(int(self.headers['Content-Length'])))
        self.send_response(200); self.end_headers(); self.wfile.write(b'%d\\n' % length)
    do_PUT = do_POST
import socket
http.server.HTTPServer.address_family = socket.AF_INET6 if ':' in '${at.origin}' else socket.AF_INET
http.server.HTTPServer(('${at.origin}', ${at.port(1)}), Echo).serve_forever()`;
      await at.server(python(at, 'echo.py', echo), { node: 'a', port: at.port(1) });
      const proxy = `http://${at.authority(at.port(1), at.origin)}`;
      await nginx(at, { more: `client_max_body_size 10m; location / { proxy_pass ${proxy}; }` });
      await at.client(`head -c 9000 ${at.content('text')} | curl -gsS -H Expect: --data-binary @- '${at.url('/')}'`);
      await at.client(['curl', '-gsS', '-T', at.content('file'), at.url('/file')]);
    },
  },
  {
    name: 'apache2',
    packages: ['apache2-bin', 'curl'],
    does: GET_BOTH,
    says: MARK,
    connections: 2,
    run: async (at) => {
      const modules = ['mpm_event', 'authz_core', 'dir'].map(
        (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`,
      );
      const config = [
        ...modules,
        `ServerRoot ${at.folder}`,
        'ServerName node-b',
        `PidFile ${at.at('pid')}`,
        `DefaultRuntimeDir ${at.folder}`,
        `Listen ${at.authority()}`,
        `ErrorLog ${at.at('error.log')}`,
        `DocumentRoot ${at.contents}`,
        'User www-data',
        'Group www-data',
        'StartServers 1',
        '<Directory />',
        'Require all granted',
        '</Directory>',
      ];
      await at.server(['apache2', '-f', at.write('apache2.conf', config.join('\n') + '\n'), '-DFOREGROUND']);
      await both(at);
    },
  },
  {
    name: 'lighttpd',
    packages: ['lighttpd', 'curl'],
    does: GET_BOTH,
    says: MARK,
    connections: 2,
    run: async (at) => {
      const config = `server.document-root = "${at.contents}"
server.port = ${at.port()}
server.bind = "${at.host.includes(':') ? `[${at.host}]` : at.host}"
mimetype.assign = ( ".html" => "text/html" )
`;
      await at.server(['lighttpd', '-D', '-f', at.write('lighttpd.conf', config)]);
      await both(at);
    },
  },
  {
    name: 'webfsd',
    packages: ['webfs', 'curl'],
    does: GET_BOTH,
    ipv4Only: true,
    says: MARK,
    connections: 2,
    run: async (at) => {
      await at.server([
        'webfsd',
        '-F',
        '-4',
        '-i',
        at.host,
        '-p',
        String(at.port()),
        '-r',
        at.contents,
        '-u',
        'nobody',
      ]);
      await both(at);
    },
  },
  {
    name: 'mini_httpd',
    packages: ['mini-httpd', 'curl'],
    does: GET_BOTH,
    says: MARK,
    connections: 2,
    ipv4Only: true,
    run: async (at) => {
      await at.server(['mini_httpd', '-D', '-h', at.host, '-p', String(at.port()), '-d', at.contents, '-u', 'nobody']);
      await both(at);
    },
  },
  {
    name: 'busybox httpd',
    packages: ['busybox-static', 'curl'],
    does: GET_BOTH,
    says: MARK,
    connections: 2,
    run: async (at) => {
      await at.server(['busybox', 'httpd', '-f', '-p', at.authority(), '-h', at.contents]);
      await both(at);
    },
  },
  {
    name: 'caddy',
    packages: ['caddy', 'curl'],
    does: says(
      'GET of 1 MB and of a page, HTTP/1.1 and HTTP/2 in clear (Go)',
      '获取 1 MB 与网页，HTTP/1.1 与明文 HTTP/2(Go)',
    ),
    says: MARK,
    connections: 3,
    run: async (at) => {
      const config = {
        admin: { disabled: true },
        apps: {
          http: {
            servers: {
              one: {
                listen: [at.authority()],
                protocols: ['h1', 'h2c'],
                automatic_https: { disable: true },
                routes: [{ handle: [{ handler: 'file_server', root: at.contents }] }],
              },
            },
          },
        },
      };
      const file = at.write('caddy.json', JSON.stringify(config));
      await at.server(['caddy', 'run', '--config', file], { env: { HOME: at.folder, XDG_DATA_HOME: at.folder } });
      await both(at);
      await fetchFile(at, at.url('/file'), '--http2-prior-knowledge');
    },
  },
  {
    name: 'php -S',
    packages: ['php-cli', 'curl'],
    does: GET_PAGE,
    says: MARK,
    run: async (at) => {
      await at.server(['php', '-S', at.authority(), '-t', at.contents]);
      await fetchPage(at);
    },
  },
  {
    name: 'gunicorn',
    packages: ['gunicorn', 'python3', 'curl'],
    does: says('GET of 1 MB and of a page, two workers', '两个工作进程，获取 1 MB 与网页'),
    says: MARK,
    connections: 2,
    run: async (at) => {
      at.write('site.py', '');
      at.write('wsgi_app.py', WSGI);
      await at.server(['gunicorn', '-w', '2', '-b', at.authority(), '--chdir', at.folder, 'wsgi_app:app']);
      await both(at);
    },
  },
  {
    name: 'uwsgi',
    packages: ['uwsgi-core', 'uwsgi-plugin-python3', 'curl'],
    does: says('GET of 1 MB and of a page by its HTTP router', '经其 HTTP 路由获取 1 MB 与网页'),
    says: MARK,
    connections: 2,
    ipv4Only: true,
    run: async (at) => {
      const app = at.write('wsgi_app.py', WSGI.replace('def app', 'def application'));
      await at.server([
        'uwsgi',
        '--plugin',
        'http,python3',
        '--http',
        at.authority(),
        '--wsgi-file',
        app,
        '--master',
        '--need-app',
      ]);
      await both(at);
    },
  },
  {
    name: 'waitress',
    packages: ['python3-waitress', 'curl'],
    does: GET_BOTH,
    says: MARK,
    connections: 2,
    run: async (at) => {
      at.write('wsgi_app.py', WSGI);
      await at.server([PYTHON, '-m', 'waitress', `--listen=${at.authority()}`, 'wsgi_app:app']);
      await both(at);
    },
  },
  {
    name: 'puma',
    packages: ['puma', 'ruby', 'curl'],
    does: GET_PAGE,
    says: MARK,
    run: async (at) => {
      const app = `run lambda { |env| [200, {'Content-Type' => 'text/html'}, [File.read('${at.contents}' + env['PATH_INFO'])]] }\n`;
      await at.server(['puma', '-b', `tcp://${at.authority()}`, at.write('config.ru', app)]);
      await fetchPage(at);
    },
  },
  {
    name: 'python http.server',
    packages: ['python3', 'curl'],
    does: GET_BOTH,
    says: MARK,
    connections: 2,
    run: async (at) => {
      await at.server([PYTHON, '-m', 'http.server', '-b', at.host, '-d', at.contents, String(at.port())]);
      await both(at);
    },
  },
  {
    name: 'twisted web',
    packages: ['python3-twisted', 'curl'],
    does: GET_BOTH,
    says: MARK,
    connections: 2,
    run: async (at) => {
      const listen = `tcp:${at.port()}:interface=${at.host.replaceAll(':', '\\:')}`;
      await at.server(['twist3', 'web', '--listen', listen, '--path', at.contents]);
      await both(at);
    },
  },
  {
    name: 'tornado',
    packages: ['python3-tornado', 'curl'],
    does: GET,
    says: '200',
    run: async (at) => {
      const script = `import asyncio, tornado.web
async def main():
    files = (r'/(.*)', tornado.web.StaticFileHandler, {'path': '${at.contents}'})
    tornado.web.Application([files]).listen(${at.port()}, '${at.host}')
    await asyncio.Event().wait()
asyncio.run(main())`;
      await at.server(python(at, 'server.py', script));
      await fetchFile(at);
    },
  },
  {
    name: 'icecast2',
    packages: ['icecast2', 'curl'],
    does: says('GET of 1 MB from its web folder', '从其网页目录获取 1 MB'),
    says: '200',
    run: async (at) => {
      const config = `<icecast><limits><clients>10</clients><sources>2</sources></limits>
<authentication><source-password>x</source-password><admin-user>x</admin-user><admin-password>x</admin-password></authentication>
<hostname>node-b</hostname><listen-socket><port>${at.port()}</port><bind-address>${at.host}</bind-address></listen-socket>
<paths><basedir>/usr/share/icecast2</basedir><logdir>${at.make('log')}</logdir><webroot>${at.contents}</webroot><adminroot>/usr/share/icecast2/admin</adminroot></paths>
<logging><errorlog>error.log</errorlog><loglevel>1</loglevel></logging></icecast>`;
      await at.server(['icecast2', '-c', at.write('icecast.xml', config)], { user: 'nobody' });
      await fetchFile(at);
    },
  },
];
