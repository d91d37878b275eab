// SPDX-License-Identifier: Apache-2.0
/** Agents that have their keys of the TLSHub kernel module: what the programs of two nodes say to each other, and what is on the wire. */
import { expect } from 'chai';
import { detailedFlows, mutualTls } from '../harness/mutual-tls.js';
import { lab, type Result } from '../harness/index.js';
import { at, digestOf, makeContent, makeFolder } from '../matrix/files.js';
import * as servers from '../matrix/servers.js';
import { complaints, last, report } from './support.js';

const { PORTS } = servers;
const BOTH = { providers: { active: 'tlshub', passive: 'tlshub' } } as const;

describe('unmodified programs over keys of the TLSHub kernel module', function () {
  this.timeout(120_000);

  before(async function () {
    this.timeout(240_000);
    makeFolder();
    makeContent('text', 300_000, true);
    await lab.up({ mode: 'tlshub', module: true });
    await servers.nginx();
  });
  after(() => lab.down());

  const fetch = (program: string, ...words: string[]): Promise<Result> =>
    lab.exec('a', [program, ...words, at('out'), `http://10.77.0.2:${PORTS.nginx}/text`]);

  for (const [how, program, ...words] of [
    ['curl', 'curl', '-gsSf', '-m', '60', '-o'],
    ['wget, which blocks', 'wget', '-q', '-T', '60', '-O'],
  ] as const) {
    it(`${how}: the content is right, and all that is on the wire is encrypted`, async () => {
      await mutualTls({ ...BOTH, port: PORTS.nginx }, async () => {
        const { code, stderr } = await fetch(program, ...words);
        expect(code, stderr).to.equal(0);
      });
      expect(digestOf(at('out'))).to.equal(digestOf(at('text')));
    });
  }

  it('each connection has had a key of its own, at both ends, and none is left', async () => {
    const before = (await report('b')).counters;
    const count = 20;
    const urls = Array.from({ length: count }, () => [`http://10.77.0.2:${PORTS.nginx}/text`, '-o', '/dev/null']);
    const many = [
      'curl',
      '-gsSf',
      '-m',
      '90',
      '--parallel',
      '--no-keepalive',
      '-H',
      'Connection: close',
      ...urls.flat(),
    ];
    const { code, stderr } = await lab.exec('a', many, { timeoutMs: 100_000 });
    expect(code, stderr).to.equal(0);
    const { counters, flows } = await report('b');
    expect(counters.keysFetched! - before.keysFetched!).to.be.at.least(count);
    expect(counters.keysTaken! - before.keysTaken!).to.equal(counters.keysFetched! - before.keysFetched!);
    expect(flows).to.equal(0);
  });

  it('a node whose module has another key than its peer knows is refused, and nothing is said in plaintext', async () => {
    const key = (await report('a')).publicKey;
    await last('b', `peer a key=${'11'.repeat(32)} update`);
    const sniffer = await lab.sniff();
    const { code } = await fetch('curl', '-gsSf', '-m', '60', '-o');
    const capture = await sniffer.stop();
    expect(code).to.not.equal(0);
    expect(capture.payloadFrames, capture.describe()).to.equal(0);
    expect((await detailedFlows('a')).at(-1)).to.include({ state: 'refused', secured: false });
    await last('b', `peer a key=${key} update`);
    expect((await fetch('curl', '-gsSf', '-m', '60', '-o')).code).to.equal(0);
  });

  it('the kernel had nothing to complain of', () => {
    expect(complaints()).to.deep.equal([]);
  });
});
