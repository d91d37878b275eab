// SPDX-License-Identifier: Apache-2.0
/** Clients of HTTP, each against nginx. */
import { MARK } from '../content.js';
import type { Place } from '../place.js';
import { says, type Situation } from '../situation.js';
import { GET, nginx } from './common.js';

const DUMP = says('a page as text', '以文本显示网页');
const LOAD = says(
  'requests over several connections, as a load tool counts them',
  '压测工具经多条连接发出请求，比较其计数',
);

type Client = Pick<Situation, 'packages' | 'run'> &
  Partial<Pick<Situation, 'does' | 'says' | 'connections' | 'varies' | 'ipv4Only' | 'differs'>>;

const client = (
  name: string,
  { packages, does = GET, says: text = 'the content of file', ...rest }: Client,
): Situation => ({
  name,
  packages: [...packages, 'nginx-light'],
  does,
  says: text,
  ...rest,
  run: async (at) => {
    await nginx(at);
    await rest.run(at);
  },
});

/** It shows the page. */
const dumps = (name: string, packages: readonly string[], command: readonly string[]): Situation =>
  client(name, {
    packages,
    does: DUMP,
    says: MARK,
    run: (at) => at.client([...command, at.url('/page.html')], { env: { HOME: at.folder, TERM: 'dumb' } }),
  });

/** It leaves the file as `out`. */
const saves = (
  name: string,
  packages: readonly string[],
  command: (at: Place) => readonly string[] | string,
  connections = 1,
): Situation =>
  client(name, {
    packages,
    connections,
    run: async (at) => {
      await at.client(command(at), { name, quiet: true, env: { HOME: at.folder } });
      at.holds('out', 'file');
    },
    // How fast it was, and how long it took.
    varies: [[/[^\n]*(\d ?[KMG]?i?B\/s|%|\bs\b)[^\n]*/g, 'SPEED']],
  });

export const CLIENTS: readonly Situation[] = [
  saves('curl', ['curl'], (at) => ['curl', '-gsSf', '-v', '-o', 'out', at.url('/file')]),
  client('curl, HTTP/2 asked for', {
    packages: ['curl'],
    does: says('GET with Upgrade: h2c, four transfers at once', '带 Upgrade: h2c 的 GET，四个并行传输'),
    says: '200 1000011',
    run: async (at) => {
      const urls = [1, 2, 3, 4].flatMap((n) => ['-o', `out${n}`, at.url('/file')]);
      await at.client(['curl', '-gsSf', '--http2', '-Z', '-w', '%{http_code} %{size_download}\\n', ...urls], {
        quiet: true,
      });
      at.holds('out4', 'file');
    },
  }),
  saves('wget', ['wget'], (at) => ['wget', '-q', '-O', 'out', at.url('/file')]),
  client('wget, recursive', {
    packages: ['wget'],
    does: says('an index and what it links to, over one connection', '经一条连接获取索引页及其链接'),
    run: async (at) => {
      await at.client(['wget', '-nv', '-O', 'out', at.url('/text'), at.url('/page.html')], { quiet: true });
      await at.client(['wget', '-q', '-O', 'out', at.url('/file')]);
      at.holds('out', 'file');
    },
  }),
  saves('busybox wget', ['busybox-static'], (at) => ['busybox', 'wget', '-q', '-O', 'out', at.url('/file')]),
  dumps('w3m', ['w3m'], ['w3m', '-dump']),
  dumps('lynx', ['lynx'], ['lynx', '-dump']),
  dumps('links', ['links'], ['links', '-dump']),
  dumps('elinks', ['elinks'], ['elinks', '-dump']),
  saves('aria2', ['aria2'], (at) => [
    'aria2c',
    '-q',
    '-x',
    '4',
    '-s',
    '4',
    '-k',
    '1M',
    '--no-conf',
    '-o',
    'out',
    at.url('/file'),
  ]),
  saves('axel', ['axel'], (at) => ['axel', '-q', '-n', '3', '-o', 'out', at.url('/file')], 2),
  saves('httpie', ['httpie'], (at) => ['http', '--ignore-stdin', '-q', '-o', 'out', at.url('/file')]),
  saves('rclone', ['rclone'], (at) => ['rclone', '--config', '', 'copyurl', at.url('/file'), 'out']),
  saves('python requests', ['python3-requests'], (at) => [
    '/usr/bin/python3',
    '-c',
    `import requests; open('out', 'wb').write(requests.get('${at.url('/file')}', stream=True).raw.read())`,
  ]),
  saves('perl LWP', ['libwww-perl'], (at) => `lwp-request -m GET '${at.url('/file')}' > out`),
  client('ab', {
    packages: ['apache2-utils'],
    does: LOAD,
    says: /Complete requests: +60/,
    connections: 30,
    run: (at) =>
      at.client(
        `ab -q -n 60 -c 6 '${at.url('/text')}' | grep -E 'Complete|Failed|Non-2xx|transferred:'; ab -q -k -n 60 -c 6 '${at.url('/text')}' | grep -E 'Complete|Failed|Keep-Alive|transferred:'`,
      ),
  }),
  client('wrk', {
    packages: ['wrk'],
    does: LOAD,
    says: 'none failed',
    connections: 4,
    run: (at) =>
      at.client(
        `wrk -t 1 -c 4 -d 2s '${at.url('/text')}' >said; echo $?; grep -qE '^ +[1-9][0-9]* requests' said && echo some; grep -E 'Socket errors|Non-2xx' said || echo none failed`,
      ),
  }),
  client('siege', {
    packages: ['siege'],
    does: LOAD,
    says: /"transactions":\s+30/,
    connections: 3,
    run: (at) =>
      at.client(
        `siege -q -b -c 3 -r 10 -j --no-parser '${at.url('/text')}' 2>&1 | grep -E '"(transactions|successful_transactions|failed_transactions|data_transferred)"'`,
        { env: { HOME: at.folder } },
      ),
  }),
  client('hey', {
    packages: ['hey'],
    does: says('60 requests over several connections (Go)', '经多条连接的 60 个请求（Go）'),
    says: '60 responses',
    connections: 6,
    run: (at) => at.client(`hey -n 60 -c 6 '${at.url('/text')}' | grep -E 'responses|Size/request|Total data|rror'`),
  }),
  client('httping', {
    packages: ['httping'],
    does: says('three HEAD requests', '三次 HEAD 请求'),
    says: '3 connects, 3 ok',
    connections: 3,
    run: (at) => at.client(`httping -c 3 -i 0.2 -g '${at.url('/page.html')}' | grep -oE '[0-9]+ connects, [0-9]+ ok'`),
  }),
];
