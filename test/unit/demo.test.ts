// SPDX-License-Identifier: Apache-2.0
/** What `npm start` says: flows and wire as text, and what it would complain of. The demonstration itself is run by test/vm/operating/readme.test.ts. */
import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { flowsText, problemsOf, wireText, type NodeFlow, type Seen } from '../../tools/demo-text.js';

const flow = (node: string, more: Partial<NodeFlow['flow']> = {}): NodeFlow => ({
  node,
  flow: {
    comm: 'curl',
    pid: 12345,
    src: 'fd77::1',
    sport: 54321,
    dst: 'fd77::2',
    dport: 80,
    peerNode: 'b',
    provider: 'boringssl',
    exchange: 'channel',
    cipher: 'TLS_CHACHA20_POLY1305_SHA256',
    holdMs: 1234.56,
    kernelUlp: 'tls',
    ...more,
  },
});
const FLOWS = [flow('a'), flow('b', { comm: 'nginx', src: '10.77.0.1', dst: '10.77.0.2' })];
const CONTROL: Seen = {
  payloadFrames: 2,
  plaintextFrames: 2,
  records: 0,
  readable: true,
  request: 'GET / HTTP/1.1',
};
const SECURED: Seen = { payloadFrames: 88, plaintextFrames: 0, records: 85, readable: false, request: '' };

const longest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

describe('the demonstration', () => {
  it('shows the flows in a table where the terminal has room for it, and in a file', () => {
    for (const columns of [undefined, 200]) {
      const text = flowsText(FLOWS, columns, false);
      expect(text).to.include('│ curl (12345)').and.include('[fd77::1]:54321 → [fd77::2]:80').and.include('1234.6');
    }
    expect(longest(flowsText(FLOWS, 160, false))).to.be.at.most(160);
  });

  it('shows them one below the other in 80 columns, with the same in them', () => {
    const text = flowsText(FLOWS, 80, false);
    expect(longest(text)).to.be.at.most(80);
    expect(text.split('\n').slice(0, 3)).to.deep.equal([
      'node a: curl (12345), [fd77::1]:54321 → [fd77::2]:80',
      '  peer: node b; provider boringssl, channel; TLS_CHACHA20_POLY1305_SHA256',
      "  held (ms): 1234.6; kernel's ULP: tls",
    ]);
    expect(text).to.include('10.77.0.1:54321 → 10.77.0.2:80');
  });

  it('says that its times are emulated, in both forms, and only where they are', () => {
    for (const columns of [undefined, 80]) {
      expect(flowsText(FLOWS, columns, true)).to.include('held (ms, emulated)');
      expect(flowsText(FLOWS, columns, false)).to.not.include('emulated');
    }
  });

  it('has a dash where there is no figure', () => {
    const text = flowsText([flow('a', { holdMs: null, cipher: null, kernelUlp: null })], undefined, false);
    expect(text).to.match(/│ channel +│ - +│ - +│ - +│$/m);
  });

  it('sets what the sniffer read in the clear beside what it did not', () => {
    const text = wireText(CONTROL, SECURED);
    expect(longest(text)).to.be.at.most(80);
    expect(text).to.include('Not captured, the sniffer reads: GET / HTTP/1.1\n');
    expect(text).to.match(/│ not captured +│ 2 +│ 2 +│ 0 +│ can be read +│/);
    expect(text).to.match(/│ captured +│ 88 +│ 0 +│ 85 +│ is nowhere +│/);
    expect(text).to.match(/^plaintext frames: 0$/m);
  });

  it('complains of nothing when all is as promised, and of each thing that is not', () => {
    expect(problemsOf(FLOWS, CONTROL, SECURED)).to.deep.equal([]);
    const complaint = (flows: NodeFlow[], control: Partial<Seen>, secured: Partial<Seen>): string =>
      problemsOf(flows, { ...CONTROL, ...control }, { ...SECURED, ...secured }).join('\n');
    expect(complaint([flow('a')], {}, {})).to.equal('node b reports no flow');
    expect(complaint([...FLOWS, flow('a', { kernelUlp: null })], {}, {})).to.match(/not under kTLS/);
    // A blind sniffer: its "nothing in the clear" would be worth nothing.
    expect(complaint(FLOWS, { plaintextFrames: 0 }, {})).to.match(/did not read the page/);
    expect(complaint(FLOWS, { readable: false }, {})).to.match(/did not read the page/);
    expect(complaint(FLOWS, {}, { payloadFrames: 0 })).to.match(/no payload/);
    expect(complaint(FLOWS, {}, { plaintextFrames: 1 })).to.match(/1 frames on the wire are in the clear/);
    expect(complaint(FLOWS, {}, { readable: true })).to.match(/can be read on the wire/);
  });

  it('has a --help, and an error of one line for what it does not know', () => {
    const start = (...args: string[]): ReturnType<typeof spawnSync> =>
      spawnSync('scripts/start', args, { encoding: 'utf8' });
    const help = start('--help');
    expect(help.status).to.equal(0);
    expect(help.stdout)
      .to.match(/^usage: npm start/)
      .and.include('--keep')
      .and.include('--check');
    expect(help.stdout).to.include('scripts/vm --attach').and.include('NO_COLOR');
    for (const wrong of [['--kept'], ['--keep', '--check']]) {
      const { status, stdout, stderr } = start(...wrong);
      expect(status).to.equal(64);
      expect(stdout).to.equal('');
      expect(stderr).to.match(/^start: .*npm start -- --help lists them\)\n$/);
    }
  });
});
