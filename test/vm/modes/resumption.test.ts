// SPDX-License-Identifier: Apache-2.0
/** Resumed sessions under kernel TLS: the ticket is consumed before RX is armed, so nothing that a program sees is different. */
import { expect } from 'chai';
import { lab, type MeshNode } from '../harness/index.js';
import { mutualTls } from '../harness/mutual-tls.js';
import { at, digestOf, makeContent, makeFolder, type Content } from '../matrix/files.js';
import * as servers from '../matrix/servers.js';

const { PORTS } = servers;

describe('resumption of sessions', () => {
  let file: Content;

  before(async function () {
    this.timeout(240_000);
    makeFolder();
    file = makeContent('file', 1_000_000);
    await lab.need({ set: { 'tls.resumption': true } });
    await servers.nginx();
  });

  const fetch = (providers: NonNullable<Parameters<typeof mutualTls>[0]['providers']>): Promise<unknown> =>
    mutualTls({ port: PORTS.nginx, providers, secrets: file.secrets }, async () => {
      const url = `http://10.77.0.2:${PORTS.nginx}/file`;
      const { code, stderr } = await lab.exec('a', ['curl', '-sSf', '-o', at('out'), url]);
      expect(code, stderr).to.equal(0);
      expect(digestOf(at('out'))).to.equal(file.sha256);
    });
  const resumed = async (node: MeshNode, name: string): Promise<number | undefined> =>
    (await lab.status(node)).providers.find((provider) => provider.name === name)?.resumed;

  for (const [active, passive] of [
    ['openssl', 'openssl'],
    ['boringssl', 'openssl'],
    ['openssl', 'boringssl'],
  ] as const) {
    it(`${active} resumes with ${passive}: data arrives whole, and the wire is TLS`, async () => {
      await Promise.all([lab.mode('a', active), lab.mode('b', passive)]);
      const before = [(await resumed('a', active)) ?? 0, (await resumed('b', passive)) ?? 0] as const;
      for (let i = 0; i < 3; i++) await fetch({ active, passive });
      const after = [(await resumed('a', active)) ?? 0, (await resumed('b', passive)) ?? 0] as const;
      // The first of them was a full handshake: at least one of the two nodes has a new pool.
      const expected = active === 'openssl' && passive === 'openssl' ? [2, 3] : [2];
      expect(after[0] - before[0]).to.be.oneOf(expected);
      expect(after[1] - before[1]).to.equal(after[0] - before[0]);
    });
  }
});
