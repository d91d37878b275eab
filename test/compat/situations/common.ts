// SPDX-License-Identifier: Apache-2.0
/** Servers that several situations talk to, and phrases of the table that they share. */
import type { Place, ServerOptions } from '../place.js';
import { says } from '../situation.js';

export const PYTHON = '/usr/bin/python3';

export const GET = says('GET of 1 MB', '获取 1 MB');
export const GET_PAGE = says('GET of a page, with all headers', '获取网页，含全部响应头');
export const THROUGH = says(
  'GET of 1 MB through it, from an origin on the other node',
  '经由它从另一节点的源站获取 1 MB',
);

/** nginx, which serves the content; `more` is part of its server block. */
export async function nginx(
  at: Place,
  { more = '', ...options }: ServerOptions & { more?: string } = {},
): Promise<void> {
  const { port = at.port(), node = 'b' } = options;
  const folder = at.make(`nginx-${node}`);
  const config = `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr; user root;
    events { worker_connections 256; }
    http { sendfile on; tcp_nopush on; access_log off; default_type text/html; client_body_temp_path ${folder}/body;
      proxy_temp_path ${folder}/proxy;
      server { listen ${at.authority(port, node === 'a' ? at.origin : at.host)}; root ${at.contents}; ${more} } }`;
  await at.server(['nginx', '-e', 'stderr', '-c', at.write(`nginx-${node}.conf`, config)], options);
}

/** The origin of what proxies on node b fetch: nginx on node a, so that both connections are between the nodes. */
export async function origin(at: Place): Promise<string> {
  await nginx(at, { node: 'a', port: at.port(1) });
  return at.authority(at.port(1), at.origin);
}

/** curl fetches the file by a URL. */
export async function fetchFile(at: Place, url = at.url('/file'), ...flags: string[]): Promise<void> {
  await at.client(['curl', '-gsSf', ...flags, '-w', '%{http_code} %{size_download}\\n', '-o', at.at('out'), url]);
  at.holds('out', 'file');
}

export async function fetchPage(at: Place, url = at.url('/page.html')): Promise<void> {
  await at.client(['curl', '-gsSi', url]);
}

export async function redis(at: Place): Promise<void> {
  const flags = ['--bind', at.host, '--save', '', '--protected-mode', 'no'];
  await at.server(['redis-server', '--port', String(at.port()), ...flags]);
}

/** A script of Python as a server or a client. */
export function python(at: Place, name: string, script: string): string[] {
  return [PYTHON, at.write(name, script)];
}
