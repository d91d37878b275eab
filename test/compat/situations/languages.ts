// SPDX-License-Identifier: Apache-2.0
/**
 * What the standard libraries of languages make of a connection: a server on node b that answers each line in capitals until the end of the
 * input, and a client on node a, both in the same language where it has servers.
 */
import { MARK } from '../content.js';
import type { Place } from '../place.js';
import { says, type Situation } from '../situation.js';
import { python } from './common.js';

const LINES = says(
  'a server that echoes, its client sends 200 lines and a megabyte',
  '回显服务器；客户端发送 200 行与 1 MB',
);
const ECHO = says('a server that echoes, its client sends 50 lines', '回显服务器；客户端发送 50 行');

const socatEcho = (at: Place): Promise<unknown> => {
  const six = at.family === 'IPv6' ? '6' : '4';
  const bind = at.family === 'IPv6' ? `[${at.host}]` : at.host;
  return at.server(['socat', `TCP${six}-LISTEN:${at.port()},bind=${bind},fork,reuseaddr`, 'EXEC:cat']);
};

export const LANGUAGES: readonly Situation[] = [
  {
    name: 'python asyncio',
    packages: ['python3'],
    does: LINES,
    says: '200 lines, 1000011 bytes',
    run: async (at) => {
      const server = `import asyncio
async def echo(r, w):
    while data := await r.read(65536): w.write(data); await w.drain()
    w.close()
async def main():
    async with await asyncio.start_server(echo, '${at.host}', ${at.port()}) as s: await s.serve_forever()
asyncio.run(main())`;
      await at.server(python(at, 'server.py', server));
      const client = `import asyncio
async def main():
    r, w = await asyncio.open_connection('${at.host}', ${at.port()}, limit=1<<22)
    n = 0
    for i in range(200):
        w.write(b'line %d\\n' % i); await w.drain(); n += await r.readline() == b'line %d\\n' % i
    data = open('${at.content('file')}', 'rb').read()
    async def send(): w.write(data); await w.drain(); w.write_eof()
    _, back = await asyncio.gather(send(), r.read())
    print(n, 'lines,', len(back), 'bytes,', back == data)
asyncio.run(main())`;
      await at.client(python(at, 'client.py', client));
    },
  },
  {
    name: 'python socketserver and xmlrpc',
    packages: ['python3'],
    does: says('40 calls over one connection, threads', '多线程，一条连接 40 次调用'),
    says: MARK,
    run: async (at) => {
      const server = `import socket, socketserver, xmlrpc.server
class Server(socketserver.ThreadingMixIn, xmlrpc.server.SimpleXMLRPCServer):
    address_family = socket.AF_INET6 if ':' in '${at.host}' else socket.AF_INET
s = Server(('${at.host}', ${at.port()}), logRequests=False)
s.register_function(lambda x: x[::-1], 'reverse'); s.serve_forever()`;
      await at.server(python(at, 'server.py', server));
      const client = `import xmlrpc.client
s = xmlrpc.client.ServerProxy('${at.url('/')}')
for i in range(20): print(s.reverse(s.reverse('${MARK}' + str(i))))
print(len(s.reverse('x' * 100000)))`;
      await at.client(python(at, 'client.py', client));
    },
  },
  {
    name: 'python multiprocessing',
    packages: ['python3'],
    does: says(
      'objects over a Listener and a Client, with its own challenge',
      '经 Listener 与 Client 传对象，含其自身的质询',
    ),
    says: MARK,
    run: async (at) => {
      const family = at.family === 'IPv6' ? 'AF_INET6' : 'AF_INET';
      // multiprocessing knows IPv4 only by a family of its own.
      const server = `import multiprocessing.connection as m
with m.Listener(('${at.host}', ${at.port()}), family='${family}', authkey=b'k') as l:
    with l.accept() as c:
        while True:
            try: c.send(c.recv())
            except EOFError: break`;
      await at.server(python(at, 'server.py', server));
      const client = `import multiprocessing.connection as m
c = m.Client(('${at.host}', ${at.port()}), family='${family}', authkey=b'k')
for x in ['${MARK}', list(range(20000)), b'y' * 300000]: c.send(x); print(str(c.recv() == x), str(x)[:20])
c.close()`;
      await at.client(python(at, 'client.py', client));
    },
    ipv4Only: true,
  },
  {
    name: 'aiohttp',
    packages: ['python3-aiohttp'],
    does: says('its server and its client: JSON, a stream, a web socket', '其服务端与客户端：JSON、流、WebSocket'),
    says: MARK,
    connections: 1,
    run: async (at) => {
      const server = `import asyncio
from aiohttp import web
async def echo(r): return web.json_response({'got': (await r.json())['x']})
async def stream(r):
    s = web.StreamResponse(); await s.prepare(r)
    for i in range(20): await s.write(b'part %d\\n' % i); await asyncio.sleep(0.01)
    return s
async def ws(r):
    s = web.WebSocketResponse(); await s.prepare(r)
    async for m in s: await s.send_str(m.data.upper())
    return s
app = web.Application(); app.add_routes([web.post('/echo', echo), web.get('/stream', stream), web.get('/ws', ws)])
web.run_app(app, host='${at.host}', port=${at.port()}, print=None)`;
      await at.server(python(at, 'server.py', server));
      const client = `import asyncio, aiohttp
async def main():
    async with aiohttp.ClientSession() as s:
        async with s.post('${at.url('/echo')}', json={'x': '${MARK}' * 1000}) as r: print(len((await r.json())['got']))
        async with s.get('${at.url('/stream')}') as r: print(await r.text())
        async with s.ws_connect('${at.url('/ws')}') as w:
            for i in range(20): await w.send_str('${MARK} %d' % i); print((await w.receive()).data.lower())
asyncio.run(main())`;
      await at.client(python(at, 'client.py', client));
    },
  },
  {
    name: 'perl IO::Socket',
    packages: ['perl'],
    does: says('a server that forks and waits for its children, five clients', 'fork 并等待子进程的服务器，五个客户端'),
    says: `5 ${MARK.toUpperCase()}`,
    connections: 5,
    run: async (at) => {
      const server = `use IO::Socket::IP; $SIG{CHLD} = sub { wait };
my $s = IO::Socket::IP->new(LocalHost => '${at.host}', LocalPort => ${at.port()}, Listen => 9, ReuseAddr => 1) or die;
while (1) { my $c = $s->accept or next; next if fork; while (<$c>) { print $c uc } exit }`;
      await at.server(['perl', at.write('server.pl', server)]);
      const client = `use IO::Socket::IP;
for my $i (1..5) { my $s = IO::Socket::IP->new(PeerHost => '${at.host}', PeerPort => ${at.port()}) or die "$@";
  print $s "$i ${MARK}\\n"; print scalar <$s>; close $s }`;
      await at.client(['perl', at.write('client.pl', client)]);
    },
  },
  {
    name: 'ruby',
    packages: ['ruby'],
    does: says('TCPServer with threads, WEBrick, Net::HTTP', '多线程 TCPServer、WEBrick、Net::HTTP'),
    says: MARK,
    connections: 2,
    run: async (at) => {
      const server = `require 'socket'; require 'webrick'
Thread.new { s = TCPServer.new('${at.host}', ${at.port(1)}); loop { c = s.accept; Thread.new { while l = c.gets; c.puts l.upcase; end; c.close } } }
w = WEBrick::HTTPServer.new(BindAddress: '${at.host}', Port: ${at.port()}, DocumentRoot: '${at.contents}', AccessLog: [], Logger: WEBrick::Log.new(File::NULL))
w.start`;
      await at.server(['ruby', at.write('server.rb', server)]);
      const client = `require 'socket'; require 'net/http'
s = TCPSocket.new('${at.host}', ${at.port(1)})
50.times { |i| s.puts "line #{i}"; print s.gets }
s.close
puts Net::HTTP.get(URI('${at.url('/page.html')}'))
puts Net::HTTP.get(URI('${at.url('/file')}')).bytesize`;
      await at.client(['ruby', at.write('client.rb', client)]);
    },
  },
  {
    name: 'php',
    packages: ['php-cli'],
    does: says('stream_socket_server, stream_select, fsockopen', 'stream_socket_server、stream_select、fsockopen'),
    says: MARK.toUpperCase(),
    run: async (at) => {
      const server = `<?php $s = stream_socket_server('tcp://${at.authority()}'); $all = [$s];
while (true) { $r = $all; $w = $e = null; stream_select($r, $w, $e, null);
  foreach ($r as $c) { if ($c === $s) { $all[] = stream_socket_accept($s); continue; }
    $l = fgets($c); if ($l === false) { unset($all[array_search($c, $all)]); fclose($c); } else fwrite($c, strtoupper($l)); } }`;
      await at.server(['php', at.write('server.php', server)]);
      const address = at.family === 'IPv6' ? `[${at.host}]` : at.host;
      const client = `<?php $c = fsockopen('${address}', ${at.port()}); stream_set_timeout($c, 60);
for ($i = 0; $i < 50; $i++) { fwrite($c, "${MARK} $i\\n"); echo fgets($c); } fclose($c);`;
      await at.client(['php', at.write('client.php', client)]);
    },
  },
  {
    name: 'node',
    packages: ['nodejs'],
    does: says(
      'net and http servers; net, http with keep-alive, fetch',
      'net 与 http 服务器；net、keep-alive 的 http、fetch',
    ),
    says: MARK.toUpperCase(),
    connections: 3,
    run: async (at) => {
      const server = `const net = require('net'), http = require('http');
net.createServer({ allowHalfOpen: true }, (c) => { c.on('data', (d) => c.write(d.toString().toUpperCase())); c.on('end', () => c.end()); }).listen(${at.port(1)}, '${at.host}');
http.createServer((q, a) => { q.pipe(a); }).listen(${at.port()}, '${at.host}');`;
      await at.server(['node', at.write('server.cjs', server)]);
      const client = `const net = require('net'), http = require('http');
const c = net.connect(${at.port(1)}, '${at.host}'); let got = '';
c.on('data', (d) => got += d); c.end('${MARK}\\n'.repeat(50));
c.on('close', (bad) => { console.log(got, bad); post(3); });
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
function post(n) { if (n === 0) { agent.destroy(); return more(); }
  const r = http.request('${at.url('/')}', { method: 'POST', agent }, (a) => { let l = 0; a.on('data', (d) => l += d.length); a.on('end', () => { console.log(a.statusCode, l); post(n - 1); }); });
  r.end(Buffer.alloc(100000 * n)); }
async function more() { const a = await fetch('${at.url('/')}', { method: 'POST', body: 'x'.repeat(300000) }); console.log(a.status, (await a.text()).length); }`;
      await at.client(['node', at.write('client.cjs', client)]);
    },
  },
  {
    name: 'java',
    packages: ['openjdk-17-jre-headless', 'ecj'],
    does: says('HttpServer and HttpClient, ServerSocket and NIO', 'HttpServer 与 HttpClient、ServerSocket 与 NIO'),
    says: MARK.toUpperCase(),
    connections: 2,
    run: async (at) => {
      const source = `import java.io.*; import java.net.*; import java.net.http.*; import java.nio.*; import java.nio.channels.*; import java.util.concurrent.*;
public class Main { public static void main(String[] a) throws Exception { if (a[0].equals("server")) server(); else client(); }
static void server() throws Exception { InetAddress host = InetAddress.getByName("${at.host}");
  ServerSocket s = new ServerSocket(${at.port(1)}, 9, host);
  var h = com.sun.net.httpserver.HttpServer.create(new InetSocketAddress(host, ${at.port()}), 9);
  h.createContext("/", x -> { byte[] b = x.getRequestBody().readAllBytes(); x.sendResponseHeaders(200, b.length); x.getResponseBody().write(b); x.close(); });
  h.start();
  while (true) { Socket c = s.accept(); BufferedReader r = new BufferedReader(new InputStreamReader(c.getInputStream())); PrintWriter w = new PrintWriter(c.getOutputStream(), true);
    for (String l; (l = r.readLine()) != null; ) w.println(l.toUpperCase()); c.close(); } }
static void client() throws Exception {
  SocketChannel c = SocketChannel.open(new InetSocketAddress("${at.host}", ${at.port(1)})); c.configureBlocking(false); Selector s = Selector.open();
  ByteBuffer out = ByteBuffer.wrap("${MARK}\\n".repeat(50).getBytes()), in = ByteBuffer.allocate(9000); SelectionKey k = c.register(s, SelectionKey.OP_WRITE | SelectionKey.OP_READ);
  while (true) { s.select(); s.selectedKeys().clear(); if (out.hasRemaining()) { c.write(out); if (!out.hasRemaining()) { c.shutdownOutput(); k.interestOps(SelectionKey.OP_READ); } }
    if (c.read(in) < 0) break; }
  System.out.print(new String(in.array(), 0, in.position())); c.close();
  var h = HttpClient.newHttpClient();
  for (int n : new int[] {10, 300000}) { var r = h.send(HttpRequest.newBuilder(URI.create("${at.url('/')}")).version(HttpClient.Version.HTTP_1_1).POST(HttpRequest.BodyPublishers.ofByteArray(new byte[n])).build(), HttpResponse.BodyHandlers.ofByteArray()); System.out.println(r.statusCode() + " " + r.body().length); } } }
`;
      at.write('Main.java', source);
      const java = ['java', '-Xshare:auto', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', at.folder, 'Main'];
      await at.client(['ecj', '-17', '-nowarn', '-proc:none', 'Main.java'], { quiet: true });
      await at.server([...java, 'server']);
      await at.client([...java, 'client']);
    },
  },
  {
    name: 'lua-socket',
    packages: ['lua-socket', 'lua5.4', 'socat'],
    does: ECHO,
    says: `${MARK} 50`,
    run: async (at) => {
      await socatEcho(at);
      const client = `local s = require('socket'); local c = assert((s.${at.family === 'IPv6' ? 'tcp6' : 'tcp'})()); c:settimeout(60); assert(c:connect('${at.host}', ${at.port()}))
for i = 1, 50 do c:send('${MARK} ' .. i .. '\\n'); print(c:receive()) end c:close()`;
      await at.client(['lua5.4', at.write('client.lua', client)]);
    },
  },
  {
    name: 'tcl',
    packages: ['tcl'],
    does: says('a server by its event loop, an asynchronous client', '事件循环服务器，异步客户端'),
    says: `${MARK.toUpperCase()} 50`,
    ipv4Only: true,
    run: async (at) => {
      const server = `proc take {c a p} { fconfigure $c -blocking 0 -buffering line; fileevent $c readable [list say $c] }
proc say {c} { if {[gets $c l] >= 0} { puts $c [string toupper $l] } elseif {[eof $c]} { close $c } }
socket -server take -myaddr ${at.host} ${at.port()}
vwait forever`;
      await at.server(['tclsh', at.write('server.tcl', server)]);
      const client = `set c [socket -async ${at.host} ${at.port()}]; fconfigure $c -blocking 0 -buffering line
set n 0
proc go {} { global c; fileevent $c writable {}; puts $c "${MARK} 1" }
proc hear {} { global c n done; if {[gets $c l] < 0} { if {[eof $c]} { set done 1 }; return }; puts $l; incr n; if {$n == 50} { close $c; set done 1 } else { puts $c "${MARK} [expr {$n + 1}]" } }
fileevent $c writable go; fileevent $c readable hear; vwait done`;
      await at.client(['tclsh', at.write('client.tcl', client)]);
    },
  },
  {
    name: 'guile',
    packages: ['guile-3.0', 'socat'],
    does: ECHO,
    says: `${MARK} 50`,
    run: async (at) => {
      await socatEcho(at);
      const family = at.family === 'IPv6' ? 'AF_INET6' : 'AF_INET';
      const client = `(use-modules (ice-9 rdelim))
(define s (socket PF_INET${at.family === 'IPv6' ? '6' : ''} SOCK_STREAM 0))
(connect s ${family} (inet-pton ${family} "${at.host}") ${at.port()})
(let loop ((i 1)) (when (<= i 50) (format s "${MARK} ~a\\n" i) (force-output s) (display (read-line s)) (newline) (loop (+ i 1))))
(close-port s)`;
      await at.client(['guile', '--no-auto-compile', at.write('client.scm', client)], { env: { HOME: at.folder } });
    },
  },
  {
    name: 'erlang',
    packages: ['erlang-base'],
    does: ECHO,
    says: `${MARK.toUpperCase()} 50`,
    run: async (at) => {
      const family = at.family === 'IPv6' ? 'inet6, ' : '';
      const server = `main(_) -> {ok, A} = inet:parse_address("${at.host}"), {ok, L} = gen_tcp:listen(${at.port()}, [${family}binary, {packet, line}, {active, false}, {ip, A}]), loop(L).
loop(L) -> {ok, S} = gen_tcp:accept(L), echo(S), loop(L).
echo(S) -> case gen_tcp:recv(S, 0) of {ok, D} -> gen_tcp:send(S, string:uppercase(D)), echo(S); _ -> gen_tcp:close(S) end.
`;
      const client = `main(_) -> {ok, A} = inet:parse_address("${at.host}"), {ok, S} = gen_tcp:connect(A, ${at.port()}, [${family}binary, {packet, line}, {active, true}]),
  [begin gen_tcp:send(S, io_lib:format("${MARK} ~b~n", [I])), receive {tcp, S, D} -> io:put_chars(D) end end || I <- lists:seq(1, 50)], gen_tcp:close(S).
`;
      const env = { HOME: at.folder };
      await at.server(['escript', at.write('server.escript', `#!/usr/bin/env escript\n${server}`)], { env });
      await at.client(['escript', at.write('client.escript', `#!/usr/bin/env escript\n${client}`)], { env });
    },
  },
  {
    name: 'gawk /inet',
    packages: ['gawk', 'socat'],
    does: ECHO,
    says: `${MARK} 50`,
    ipv4Only: true,
    run: async (at) => {
      await socatEcho(at);
      const script = `BEGIN { s = "/inet/tcp/0/${at.host}/${at.port()}"; for (i = 1; i <= 50; i++) { print "${MARK} " i |& s; s |& getline l; print l } close(s) }`;
      await at.client(['gawk', script]);
    },
  },
  {
    name: 'bash /dev/tcp',
    packages: ['bash', 'socat'],
    does: ECHO,
    says: `${MARK} 50`,
    run: async (at) => {
      await socatEcho(at);
      const script = `exec 3<>/dev/tcp/${at.host}/${at.port()}; for i in {1..50}; do echo ${MARK} $i >&3; read -r l <&3; echo "$l"; done`;
      await at.client(['bash', '-c', script]);
    },
  },
  {
    name: 'zsh ztcp',
    packages: ['zsh', 'socat'],
    does: ECHO,
    says: `${MARK} 50`,
    ipv4Only: true,
    run: async (at) => {
      await socatEcho(at);
      const script = `zmodload zsh/net/tcp; ztcp ${at.host} ${at.port()}; for i in {1..50}; do print -u $REPLY ${MARK} $i; read -r -u $REPLY l; print $l; done; ztcp -c $REPLY`;
      await at.client(['zsh', '-fc', script]);
    },
  },
  {
    name: 'twisted',
    packages: ['python3-twisted'],
    does: says('its reactor on both sides, 50 lines and the end', '两端均用其 reactor,50 行后结束'),
    says: `${MARK.toUpperCase()} 50`,
    run: async (at) => {
      const server = `from twisted.internet import protocol, reactor
from twisted.protocols.basic import LineReceiver
class Echo(LineReceiver):
    def lineReceived(self, line): self.sendLine(line.upper())
reactor.listenTCP(${at.port()}, protocol.Factory.forProtocol(Echo), interface='${at.host}'); reactor.run()`;
      await at.server(python(at, 'server.py', server));
      const client = `from twisted.internet import protocol, reactor
from twisted.protocols.basic import LineReceiver
class Client(LineReceiver):
    n = 0
    def connectionMade(self): self.sendLine(b'${MARK} 1')
    def lineReceived(self, line):
        print(line.decode()); self.n += 1
        if self.n == 50: self.transport.loseConnection()
        else: self.sendLine(b'${MARK} %d' % (self.n + 1))
    def connectionLost(self, why): print(why.value); reactor.stop()
f = protocol.ClientFactory.forProtocol(Client); reactor.connectTCP('${at.host}', ${at.port()}, f); reactor.run()`;
      await at.client(python(at, 'client.py', client));
    },
  },
];
