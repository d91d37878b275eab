/**
 * Peers that are not who they should be: a certificate of another CA, one that has expired, one with another node's name, and a peer whose
 * address the mapping gives to another node. In each case node a has to find out, once as the side that connected and once as the one that
 * accepted; programs of both nodes are refused, no byte of theirs crosses the wire, and the logs name who was refused and why.
 */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { initCa, issueNode } from '../../../src/pki/index.js';
import type { DetailedFlowReport } from '../../../src/supervisor/flow-table.js';
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
  /** what node b starts with */
  set: Record<string, string>;
  addresses: { a: string; b: string };
  /** that node a gives */
  reason: RegExp;
  /** the alert that node b hears of (RFC 8446, section 6.2) */
  alert: string;
}

const V4 = { a: '10.77.0.1', b: '10.77.0.2' };
const credentials = (dir: string, name: string): Record<string, string> => ({
  'b:tls.cert': `${PKI}/${dir}/${name}.crt`,
  'b:tls.key': `${PKI}/${dir}/${name}.key`,
});

const CASES: Case[] = [
  {
    title: 'whose certificate is of another CA',
    set: credentials('other', 'b'),
    addresses: V4,
    reason: /^peer certificate \[b\] is signed by an unknown CA \(issuer CN=Another CA\)$/,
    alert: 'unknown_ca',
  },
  {
    title: 'whose certificate has expired',
    set: credentials('lab', 'b'),
    addresses: V4,
    reason: /^peer certificate \[b\] has expired \(notAfter .+\)$/,
    alert: 'certificate_expired',
  },
  {
    title: "whose certificate is another node's, of the right CA",
    set: credentials('lab', 'mallory'),
    addresses: V4,
    reason: /^peer certificate names \[mallory\], expected one of \[b\]$/,
    alert: 'bad_certificate',
  },
  {
    title: "whose address is another node's by the mapping",
    set: { 'a:pod_node_config': MAPPING },
    addresses: { a: 'fd77::1', b: 'fd77::2' },
    reason: /^peer certificate names \[b\], expected one of \[elsewhere\]$/,
    alert: 'bad_certificate',
  },
];

async function makeCredentials(): Promise<void> {
  mkdirSync(PKI);
  await initCa(`${PKI}/other`, { name: 'Another CA', days: 2 });
  await issueNode(`${PKI}/other`, 'b', { days: 1 });
  // The lab's own CA, from the build.
  cpSync('build/lab-pki', `${PKI}/lab`, { recursive: true });
  await issueNode(`${PKI}/lab`, 'b', { days: -1, force: true });
  await issueNode(`${PKI}/lab`, 'mallory', { days: 1 });
  writeFileSync(MAPPING, 'pod-a a 10.77.0.1 fd77::1\npod-b b 10.77.0.2\npod-x elsewhere fd77::2\n');
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

async function warnings(node: MeshNode): Promise<string[]> {
  return (await lab.logs(node))
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { level: string; message: string })
    .filter(({ level }) => level === 'warning')
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
  const mine = (await warnings('a')).filter((message) => begin.test(message));
  expect(mine.length, 'warnings that name the program').to.be.at.least(count);
  for (const message of mine) expect(message.replace(begin, '')).to.match(one.reason);
  const back = direction === 'to' ? 'from' : 'to';
  const told = new RegExp(`^refused ${programs.b}\\[\\d+\\] ${back} node a: `);
  const theirs = (await warnings('b')).filter((message) => told.test(message));
  expect(theirs.length, 'warnings of the other node').to.be.at.least(count);
  for (const message of theirs) {
    expect(message.replace(told, '')).to.equal(
      `the peer refused our certificate: alert ${one.alert}; its own log says why`,
    );
  }
}

describe('a peer', () => {
  let sniffer: Sniffer;

  before(makeCredentials);
  after(() => lab.down());

  for (const one of CASES) {
    describe(one.title, () => {
      const { addresses } = one;

      before(async () => {
        // Long deadlines: what ends before them was refused for what it is.
        await lab.up({
          set: { handshake_timeout_ms: 60_000, hold_timeout_ms: 90_000, silent_peer_timeout_ms: 60_000, ...one.set },
        });
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
        const server = lab.spawn('b', [TALKER, 'echo', '7000']);
        await server.listening(7000);
        for (const kind of ['blocking', 'epoll']) {
          const { stdout, code } = await lab.exec('a', [TALKER, kind, addresses.b, '7000', SECRET]);
          expect(code, stdout).to.equal(1);
          const [connected, error, ...more] = stdout.trim().split('\n');
          expect(connected).to.equal('connected');
          expect(error).to.match(new RegExp(`^send ${REFUSED.source}$`));
          expect(more).to.deep.equal([]);
        }
        await waitFor(() => server.stdout.split('closed').length === 3, PATIENCE, 'both connections of the server');
        expect(server.stdout).to.match(new RegExp(`^listening\\n(accepted\\nrecv ${REFUSED.source}\\nclosed\\n){2}$`));
        await server.stop();
        await expectSaid(one, 7000, { a: 'talker', b: 'talker' }, 2);
      });

      it('is refused when it connects', async () => {
        for (const [at, kind] of SERVERS.entries()) {
          const port = 7100 + at;
          const server = Peer.start('a', [`listen:[::]:${port}`, `${kind}:1`]);
          await server.until('listen');
          const { stdout, code } = await lab.exec('b', [
            TALKER,
            at === 0 ? 'blocking' : 'epoll',
            addresses.a,
            `${port}`,
            SECRET,
          ]);
          expect(code, stdout).to.equal(1);
          expect(stdout).to.match(new RegExp(`^connected\\nsend ${REFUSED.source}\\n$`));
          const served = step(await server.finish(), 'served');
          expect(served, kind).to.include({ result: -1, data: '' });
          expect(served.error, kind).to.match(REFUSED);
          await expectSaid(one, port, { a: 'peer', b: 'talker' }, 1);
        }
      });
    });
  }
});
