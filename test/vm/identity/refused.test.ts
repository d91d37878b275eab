// SPDX-License-Identifier: Apache-2.0
/**
 * Peers that are not who they should be: a certificate of another CA, one that has expired, one with another node's name, and a peer whose
 * address the mapping gives to another node. In each case node a has to find out, once as the side that connected and once as the one that
 * accepted; programs of both nodes are refused, no byte of theirs crosses the wire, and the logs name who was refused and why.
 */
import { copyFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { initCa, issueNode } from '../../../src/tls/lab-ca/pki.js';
import type { DetailedFlowReport } from '../../../src/supervisor/flow/table.js';
import { Peer, step } from '../harness/peer.js';
import { lab, waitFor, type Capture, type MeshNode, type Sniffer } from '../harness/index.js';
import { detailedFlows, stopped } from '../harness/mutual-tls.js';

const SECRET = 'tlshub-secret-identity-5b1c';
const TALKER = resolve('build/programs/talker');
const PKI = '/tmp/identity-pki';
const MAPPING = '/tmp/identity-mapping.conf';
const PATIENCE = 30_000;
/** What a program may see of a refused connection. */
const REFUSED = /E(CONNRESET|CONNABORTED|PIPE)/;
const SERVERS = ['serve-blocking', 'serve-lt', 'serve-et'] as const;

interface Case {
  title: string;
  /** node b's certificate and key, in PKI */
  identity: string;
  addresses: { a: string; b: string };
  /** that node a gives */
  reason: RegExp;
  /** the alert that node b hears of (RFC 8446, section 6.2) */
  alert: string;
}

const V4 = { a: '10.77.0.1', b: '10.77.0.2' };
const CASES: Case[] = [
  {
    title: 'whose certificate is of another CA',
    identity: 'other/b',
    addresses: V4,
    reason: /^peer certificate \[b\] is signed by an unknown CA \(issuer CN=Another CA\)$/,
    alert: 'unknown_ca',
  },
  {
    title: 'whose certificate has expired',
    identity: 'expired/b',
    addresses: V4,
    reason: /^peer certificate \[b\] has expired \(notAfter .+\)$/,
    alert: 'certificate_expired',
  },
  {
    title: "whose certificate is another node's, of the right CA",
    identity: 'lab/mallory',
    addresses: V4,
    reason: /^peer certificate names \[mallory\], expected one of \[b\]$/,
    alert: 'bad_certificate',
  },
  {
    title: "whose address is another node's by the mapping",
    identity: 'lab/b',
    addresses: { a: 'fd77::1', b: 'fd77::2' },
    reason: /^peer certificate names \[b\], expected one of \[elsewhere\]$/,
    alert: 'bad_certificate',
  },
];

async function makeCredentials(): Promise<void> {
  await initCa(`${PKI}/other`, { name: 'Another CA', days: 2 });
  await issueNode(`${PKI}/other`, 'b', { days: 1 });
  // The lab's own CA, from the build.
  for (const copy of ['lab', 'expired']) cpSync('build/lab-pki', `${PKI}/${copy}`, { recursive: true });
  await issueNode(`${PKI}/lab`, 'mallory', { days: 1 });
  const cas = ['lab', 'other'].map((name) => readFileSync(`${PKI}/${name}/ca.crt`, 'utf8'));
  writeFileSync(`${PKI}/both.crt`, cas.join(''));
  writeFileSync(MAPPING, 'pod-a a 10.77.0.1 fd77::1\npod-b b 10.77.0.2\npod-x elsewhere fd77::2\n');
}

/** So long a certificate of b is valid that is to expire: until b's agent, which refuses to start with one that has, is up. In ms. */
const SHORT_LIFE_MS = 60_000;

/**
 * What node b starts with, as whoever has such a certificate would: under the name in it, and trusting both CAs. Its own agent finds nothing
 * wrong then; with a certificate that has expired or names another node it does not start.
 */
async function use({ identity }: Case): Promise<void> {
  if (identity === 'expired/b') {
    await issueNode(`${PKI}/expired`, 'b', { days: 0, notAfter: new Date(Date.now() + SHORT_LIFE_MS), force: true });
  }
  for (const kind of ['crt', 'key']) copyFileSync(`${PKI}/${identity}.${kind}`, `${PKI}/b.${kind}`);
}

/** The name under which node b goes, in its configuration. */
function call(name: string): void {
  const file = lab.config('b');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^node_name *=.*$/m, `node_name = ${name}`));
}

/** Time goes on: b is not ready any more, and says why on its own node. */
async function expire(): Promise<void> {
  const said = async (): Promise<boolean> =>
    (await lab.status('b')).notReady.join().includes('the certificate of b has expired');
  await waitFor(said, SHORT_LIFE_MS + PATIENCE, 'the certificate of node b to expire');
  await waitFor(async () => (await lab.logs('b')).includes('every peer refuses this node'), PATIENCE, 'the log of b');
}

/** The flows to a port, once they are decided; all of them must be refused. */
async function refusals(node: MeshNode, port: number, count: number): Promise<DetailedFlowReport[]> {
  const decided = async (): Promise<DetailedFlowReport[] | false> => {
    const flows = (await detailedFlows(node)).filter(({ dport }) => dport === port);
    return flows.length === count && flows.every(({ state }) => state !== 'held' && state !== 'negotiating') && flows;
  };
  const flows = await waitFor(decided, PATIENCE, `${count} decided flows on node ${node}`);
  for (const flow of flows) expect(flow.state, JSON.stringify(flow)).to.equal('refused');
  return flows;
}

/** What a node's log says of connections to a port. */
async function warnings(node: MeshNode, port: number): Promise<string[]> {
  return (await lab.logs(node))
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { level: string; message: string; flow?: string })
    .filter(({ level, flow }) => level === 'warning' && flow?.endsWith(`:${port}`) === true)
    .map(({ message }) => message);
}

/** Node a found out and says so of this program's connection; node b was told by an alert. */
async function expectSaid(one: Case, port: number, programs: { a: string; b: string }, count: number): Promise<void> {
  const expected = one.addresses.b === V4.b ? 'b' : 'elsewhere';
  const found = await refusals('a', port, count);
  for (const { reason, code } of found) {
    expect(reason).to.match(one.reason);
    expect(code).to.equal('TLSHUB_PEER_CERTIFICATE');
  }
  for (const { reason, code } of await refusals('b', port, count)) {
    expect(reason).to.equal(`the peer refused our certificate: alert ${one.alert}; its own log says why`);
    expect(code).to.equal('TLSHUB_PEER_REFUSED_US');
  }
  const direction = found[0]?.role === 'active' ? 'to' : 'from';
  const begin = new RegExp(`^refused ${programs.a}\\[\\d+\\] ${direction} node ${expected}: `);
  const mine = (await warnings('a', port)).filter((message) => begin.test(message));
  expect(mine.length, 'warnings that name the program').to.equal(count);
  for (const message of mine) expect(message.replace(begin, '')).to.match(one.reason);
  const back = direction === 'to' ? 'from' : 'to';
  const told = new RegExp(`^refused ${programs.b}\\[\\d+\\] ${back} node a: `);
  const theirs = (await warnings('b', port)).filter((message) => told.test(message));
  expect(theirs.length, 'warnings of the other node').to.equal(count);
  for (const message of theirs) {
    expect(message.replace(told, '')).to.equal(
      `the peer refused our certificate: alert ${one.alert}; its own log says why`,
    );
  }
}

describe('a peer', () => {
  let sniffer: Sniffer;

  before(async () => {
    await makeCredentials();
    const [first] = CASES;
    if (first !== undefined) await use(first);
    // Long deadlines: what ends before them was refused for what it is.
    const deadlines = { handshake_timeout_ms: 60_000, hold_timeout_ms: 90_000, silent_peer_timeout_ms: 60_000 };
    const identity = {
      'b:tls.ca': `${PKI}/both.crt`,
      'b:tls.cert': `${PKI}/b.crt`,
      'b:tls.key': `${PKI}/b.key`,
      'a:pod_node_config': MAPPING,
    };
    await lab.up({ set: { ...deadlines, ...identity } });
  });
  after(() => lab.down());

  for (const [index, one] of CASES.entries()) {
    describe(one.title, () => {
      const { addresses } = one;
      const port = 7000 + 10 * index;

      before(async () => {
        if (index > 0) {
          await use(one);
          call(one.identity.split('/').at(-1) ?? '');
          await lab.restart('b');
        }
        if (one.identity === 'expired/b') await expire();
        sniffer = await lab.sniff();
      });
      after('of the programs, nothing was on the wire', async () => {
        const capture: Capture = await sniffer.stop();
        expect([...stopped('a'), ...stopped('b')], 'stopped processes').to.deep.equal([]);
        expect(capture.plaintextFrames, capture.describe()).to.equal(0);
        expect(capture.contains(SECRET), 'the secret is on the wire').to.equal(false);
        const handshakes = capture.mesh.filter(({ records }) => records.handshake > 0);
        expect(handshakes.length, 'streams with handshakes').to.equal(2 * (2 + SERVERS.length));
      });

      it('is refused when a program connects to it', async () => {
        const server = lab.spawn('b', [TALKER, 'echo', `${port}`]);
        await server.listening(port);
        for (const kind of ['blocking', 'epoll']) {
          const { stdout, code } = await lab.exec('a', [TALKER, kind, addresses.b, `${port}`, SECRET]);
          expect(code, stdout).to.equal(1);
          expect(stdout).to.match(new RegExp(`^connected\\nsend ${REFUSED.source}\\n$`));
        }
        await waitFor(() => server.stdout.split('closed').length === 3, PATIENCE, 'both connections of the server');
        expect(server.stdout).to.match(new RegExp(`^listening\\n(accepted\\nrecv ${REFUSED.source}\\nclosed\\n){2}$`));
        await server.stop();
        await expectSaid(one, port, { a: 'talker', b: 'talker' }, 2);
      });

      it('is refused when it connects', async () => {
        const servers = await Promise.all(
          SERVERS.map(async (kind, at) => {
            const server = Peer.start('a', [`listen:[::]:${port + 1 + at}`, `${kind}:1`]);
            await server.until('listen');
            return server;
          }),
        );
        for (const [at, server] of servers.entries()) {
          const client = [TALKER, at === 0 ? 'blocking' : 'epoll', addresses.a, `${port + 1 + at}`, SECRET];
          const { stdout, code } = await lab.exec('b', client);
          expect(code, stdout).to.equal(1);
          expect(stdout).to.match(new RegExp(`^connected\\nsend ${REFUSED.source}\\n$`));
          const served = step(await server.finish(), 'served');
          expect(served, SERVERS[at]).to.include({ result: -1, data: '' });
          expect(served.error, SERVERS[at]).to.match(REFUSED);
          await expectSaid(one, port + 1 + at, { a: 'peer', b: 'talker' }, 1);
        }
      });
    });
  }
});
