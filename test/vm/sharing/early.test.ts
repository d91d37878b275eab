// SPDX-License-Identifier: Apache-2.0
/** Calls that come before there is a connection, connections that come about in unusual ways, and calls that few programs make. */
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { Peer, step } from '../harness/peer.js';
import { EVIL, SECRET, inTheSharedLab } from '../harness/wire.js';
import { A, B, OUTSIDE, RAW } from './support.js';

const inNode = (node: 'a' | 'b', ...command: string[]): void => {
  execFileSync('nsenter', [`--net=/run/netns/tlshub-${node}`, ...command]);
};
const slow = (what: 'add' | 'del'): void => {
  for (const node of ['a', 'b'] as const) {
    inNode(node, 'tc', 'qdisc', what, 'dev', 'eth0', 'root', ...(what === 'add' ? ['netem', 'delay', '150ms'] : []));
  }
};

/** Node b's interface as a router behind node a that gives what comes from 127.0.0.1 an address with a way back, before anybody looks at it. */
function translateSource(what: 'add' | 'del'): void {
  if (what === 'del') {
    inNode('b', 'tc', 'qdisc', 'del', 'dev', 'eth0', 'clsact');
    return;
  }
  const filter = (hook: string, ...rest: string[]): void =>
    inNode('b', 'tc', 'filter', 'add', 'dev', 'eth0', hook, 'protocol', 'ip', 'prio', '1', 'u32', ...rest);
  const out = ['match', 'ip', 'dst', `${A}/32`, 'match', 'ip', 'sport', String(RAW), '0xffff'];
  inNode('b', 'tc', 'qdisc', 'add', 'dev', 'eth0', 'clsact');
  filter('ingress', 'match', 'ip', 'src', '127.0.0.1/32', 'action', 'nat', 'egress', '127.0.0.1/32', A);
  filter('egress', ...out, 'action', 'nat', 'ingress', `${A}/32`, '127.0.0.1');
}

describe('a call before there is a connection', () => {
  inTheSharedLab();
  before('the network is slow, so that a SYN takes its time', () => slow('add'));
  after(() => slow('del'));

  for (const way of ['write', 'splice']) {
    it(`${way} that blocks while the SYN is on its way waits, and its bytes are encrypted`, async () => {
      const server = await Peer.listen('b', 7070, ['accept', 'cat']);
      const steps = await Peer.run('a', [
        ...['socket:tcp', 'nb', `connect-begin:${B}:7070`, 'block', `${way}:${SECRET}`, 'close'],
      ]);
      expect(step(steps, 'connect-begin').error).to.equal('EINPROGRESS');
      expect(step(steps, way), JSON.stringify(steps)).to.include({ result: SECRET.length });
      expect(step(await server.finish(), 'cat').data).to.equal(SECRET);
    });
  }

  it('by another thread than the one that connects: it waits, and its bytes are encrypted', async () => {
    const server = await Peer.listen('b', 7071, ['accept', 'cat']);
    const steps = await Peer.run('a', [
      'socket:tcp',
      'thread',
      `connect:${B}:7071`,
      'end-thread',
      'sleep:60',
      `write:${SECRET}`,
      'join',
      'close',
    ]);
    const sides = [...(await lab.flows('a')), ...(await lab.flows('b'))].filter(({ dport }) => dport === 7071);
    const reasons = sides.map(({ role, state, reason }) => `${role} ${state} ${reason}`);
    expect(step(steps, 'write'), JSON.stringify({ steps, reasons })).to.include({ result: SECRET.length });
    expect(step(await server.finish(), 'cat').data).to.equal(SECRET);
  });

  it('a reader before the connection is there reads nothing of a peer that is no agent', async () => {
    const evil = await Peer.listen('b', RAW, ['accept', `write:${EVIL}`, 'sleep:60000'], OUTSIDE);
    const steps = await Peer.run('a', ['socket:tcp', 'nb', `connect-begin:${B}:${RAW}`, 'block', 'read', 'once:peek']);
    for (const op of ['read', 'peek']) expect(step(steps, op), op).to.include({ result: -1, data: '' });
    await evil.stop();
  });

  it('to an address where nobody answers is let go when the connection fails', async () => {
    inNode('a', 'sysctl', '-qw', 'net.ipv4.tcp_syn_retries=1');
    const steps = await Peer.run('a', ['socket:tcp', 'nb', 'connect-begin:10.77.0.2:7999', 'block', `write:${SECRET}`]);
    expect(step(steps, 'write').result).to.equal(-1);
    inNode('a', 'sysctl', '-qw', 'net.ipv4.tcp_syn_retries=6');
  });

  it('on both sides at once (simultaneous open): nobody is the server, so it is refused and nothing is said', async () => {
    const sides = (['a', 'b'] as const).map((node, i) =>
      Peer.run(node, [
        'bind:0.0.0.0:7072',
        `connect:${i === 0 ? B : A}:7072`,
        `once:send-dontwait:${SECRET}`,
        `write:${SECRET}`,
        'once:read',
      ]),
    );
    for (const steps of await Promise.all(sides)) {
      for (const op of ['send-dontwait', 'write', 'read'])
        expect(step(steps, op), JSON.stringify(steps)).to.include({ result: -1, data: '' });
    }
  });
});

describe('a connection of an unusual kind', () => {
  inTheSharedLab();

  it('of a socket with itself is refused', async () => {
    const steps = await Peer.run('a', [`bind:${A}:7073`, `connect:${A}:7073`, `write:${SECRET}`, 'once:read']);
    for (const op of ['write', 'read']) expect(step(steps, op), op).to.include({ result: -1, data: '' });
  });

  it('within the node, between two of its programs, is secured', async () => {
    const server = await Peer.listen('a', 7074, ['accept', 'cat']);
    await Peer.run('a', [`connect:${A}:7074`, `write:${SECRET}`, 'close']);
    expect(step(await server.finish(), 'cat').data).to.equal(SECRET);
  });

  it('by SYN cookies, and one whose server wants data before it accepts, are secured', async () => {
    inNode('b', 'sysctl', '-qw', 'net.ipv4.tcp_syncookies=2');
    const server = await Peer.listen('b', 7075, ['listener-option:6,9,5', 'accept', 'cat', 'close', 'accept', 'cat']);
    await Peer.run('a', [
      `connect:${B}:7075`,
      `write:${SECRET}`,
      'close',
      `connect:${B}:7075`,
      `splice:${SECRET}`,
      'close',
    ]);
    inNode('b', 'sysctl', '-qw', 'net.ipv4.tcp_syncookies=1');
    const steps = await server.finish();
    for (const n of [1, 2]) expect(step(steps, 'cat', n).data).to.equal(SECRET);
  });

  it('of an IPv6 socket with an IPv4 address is secured, and does not turn into an IPv4 one that forgets its keys', async () => {
    const server = await Peer.listen('b', 7076, ['accept', 'cat']);
    const steps = await Peer.run('a', [
      ...[`connect:[::ffff:${B}]:7076`, `write:${SECRET}-1`, 'option:41,1,2', `write:${SECRET}-2`, 'close'],
    ]);
    // IPV6_ADDRFORM would put plain TCP's functions in the place of the TLS layer's (commit b6f6118901d1).
    expect(step(steps, 'option')).to.include({ result: -1, error: 'EBUSY' });
    expect(step(await server.finish(), 'cat').data).to.equal(`${SECRET}-1${SECRET}-2`);
  });

  it('over IPv6 by way of another host (a routing header of the program’s own): nothing of it leaves', async () => {
    const server = await Peer.listen('b', 7077, ['sleep:60000']);
    const steps = await Peer.run('a', [
      ...['socket:tcp6', 'route-by:fd77::3', 'nb', 'connect-begin:[fd77::2]:7077', 'sleep:500'],
      ...[`once:send:${SECRET}`, `once:splice:${SECRET}`, 'once:recv-errqueue'],
    ]);
    expect(step(steps, 'route-by')).to.include({ result: 0 });
    for (const op of ['send', 'splice', 'recv-errqueue'])
      expect(step(steps, op), op).to.include({ result: -1, data: '' });
    await server.stop();
  });

  for (const masqueraded of [true, false]) {
    const how = masqueraded ? 'by this host, source and all' : 'by this host, and its source by another one';
    it(`whose service address is translated to one of the mesh ${how} is refused where policy would let it go in plaintext`, async () => {
      // Under strict policy the address itself is refused; loopback is plaintext under any policy.
      inNode('a', 'sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1');
      inNode(
        'a',
        'nft',
        'add table ip tlshub_test; add chain ip tlshub_test out { type nat hook output priority -100; }; ' +
          `add chain ip tlshub_test post { type nat hook postrouting priority 100; }; add rule ip tlshub_test out ip daddr 127.0.0.1 tcp dport 7978 dnat to ${B}:${RAW}; ` +
          (masqueraded ? `add rule ip tlshub_test post ip saddr 127.0.0.0/8 oifname eth0 masquerade` : ''),
      );
      if (!masqueraded) translateSource('add');
      const evil = await Peer.listen('b', RAW, ['accept', 'wait-ms:1500', 'nb', 'once:read', 'sleep:60000'], OUTSIDE);
      try {
        const client = await Peer.run('a', [
          'connect:127.0.0.1:7978',
          `write:${SECRET}`,
          'sleep:300',
          `once:write:${SECRET}`,
        ]);
        expect(step(client, 'connect').result, JSON.stringify(client)).to.equal(0);
        expect(step(client, 'write', 2)).to.include({ result: -1, error: 'ECONNRESET' });
        // The other way to leave from loopback: by its address, with the route to the mesh.
        const bound = await Peer.run('a', [
          'bind:127.0.0.1:7900',
          `connect:${B}:${RAW}`,
          `once:send-dontwait:${SECRET}`,
        ]);
        expect(step(bound, 'send-dontwait').result, JSON.stringify(bound)).to.equal(-1);
      } finally {
        if (!masqueraded) translateSource('del');
        inNode('a', 'nft', 'delete table ip tlshub_test');
        inNode('a', 'sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=0');
      }
      await evil.stop();
    });
  }
});

describe('a call that few programs make', () => {
  inTheSharedLab();

  const WAYS = ['vmsplice', 'sendto', 'sendmmsg-named', 'aio-write', 'sendmmsg-two', 'send-dontwait'];
  it('as the first one, by the client: its bytes arrive, encrypted', async () => {
    const server = await Peer.listen(
      'b',
      7078,
      WAYS.flatMap(() => ['accept', 'cat', 'close']),
    );
    const steps = await Peer.run(
      'a',
      WAYS.flatMap((way) => [`connect:${B}:7078`, `${way}:${SECRET}-${way}`, 'close']),
    );
    const served = (await server.finish()).filter(({ op }) => op === 'cat');
    for (const [i, way] of WAYS.entries()) {
      const { result, error } = step(steps, way);
      // An AIO that waits is interrupted by what holds it, and never begun (fs/aio.c, aio_rw_done).
      if (way === 'aio-write' && result < 0) expect(error).to.equal('EINTR');
      // kTLS before 6.5 knows no MSG_BATCH, which the kernel sets on all but the last message.
      else if (way.startsWith('sendmmsg') && result < 0) expect(error).to.equal('EOPNOTSUPP');
      else expect(result, JSON.stringify([steps, served])).to.be.greaterThan(0);
      expect(served[i]?.data, way).to.equal(result > 0 ? `${SECRET}-${way}`.slice(0, result) : '');
    }
  });

  it('to look at what a peer that is no agent has sent: it shows nothing', async () => {
    const ways = [
      'peek',
      'recv-trunc',
      'recv-oob',
      'recv-errqueue',
      'recv-dontwait',
      'recvmmsg',
      'splice-in',
      'aio-read',
    ];
    const server = await Peer.listen('b', 7079, [
      'accept',
      'nb',
      'option:1,42,0',
      'sleep:300',
      ...ways.map((way) => `once:${way}`),
      'zerocopy-receive',
      'read-key:rx',
    ]);
    await Peer.run(
      'a',
      ['bind:0.0.0.0:7954', `connect:${B}:7079`, `write:${EVIL}`, `send-oob:!`, 'wait-ms:6000', 'cat'],
      OUTSIDE,
    );
    const steps = await server.finish();
    for (const way of ways) expect(step(steps, way), way).to.include({ result: -1, data: '' });
    expect(step(steps, 'zerocopy-receive')).to.include({ result: -1, data: '' });
  });

  it('to reach around the gate is refused, as a kernel does that has no such thing', async () => {
    const server = await Peer.listen('b', 7080, ['accept', 'cat']);
    const steps = await Peer.run('a', [
      ...['socket:tcp', 'option:6,30,1', 'option:1,60,1', 'option:6,19,1', 'ulp:tls', `connect:${B}:7080`],
      ...[
        'ulp:smc',
        'tls-key:tx',
        'option:6,19,1',
        `write:${SECRET}`,
        'tls-key:tx',
        'tls-key:rx',
        'read-key:tx',
        'read-key:rx',
      ],
      ...[
        `once:send-zerocopy:${SECRET}`,
        `once:send-oob:${SECRET}`,
        'close',
        'socket:mptcp',
        'socket:smc',
        'socket:kcm',
      ],
      ...[`fastopen:${B}:7080,${SECRET}`],
    ]);
    for (const { op, result, error } of steps) {
      if (['connect', 'write', 'close'].includes(op) || (op === 'socket' && result === 0)) continue;
      expect(result, op).to.equal(-1);
      expect(error, op).to.be.oneOf(['EOPNOTSUPP', 'ENOPROTOOPT', 'EPROTONOSUPPORT', 'EAFNOSUPPORT']);
    }
    expect(steps.filter(({ op, result }) => op === 'socket' && result < 0).length).to.equal(3);
    expect(step(steps, 'fastopen').error).to.equal('EOPNOTSUPP');
    expect(step(await server.finish(), 'cat').data).to.equal(SECRET);
  });
});

describe('a threaded server that blocks, beside 20 silent peers', () => {
  inTheSharedLab();

  it('serves its good clients', async () => {
    const ask = async (port: number): Promise<number> => {
      const { result, tries } = step(await Peer.run('a', [`ask:5,${B}:${port},${SECRET}`]), 'ask');
      expect(result).to.equal(5);
      return tries;
    };
    const alone = await Peer.listen('b', 7081, ['serve-threads:5']);
    const ms = await ask(7081);
    await alone.stop();
    const beset = await Peer.listen('b', 7082, ['serve-threads:30']);
    const silent = Peer.start('a', ['bind:0.0.0.0:7955', `silent:20,${B}:7082`, 'sleep:60000'], OUTSIDE);
    expect((await silent.until('silent')).result).to.equal(20);
    const besetMs = await ask(7082);
    const later = await ask(7082);
    process.stdout.write(
      `      5 requests: ${ms} ms alone, ${besetMs} ms right behind 20 silent peers, ${later} ms after that\n`,
    );
    await silent.stop();
    await beset.stop();
  });
});
