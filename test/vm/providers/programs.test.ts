// SPDX-License-Identifier: Apache-2.0
/**
 * The program matrix with every other provider of keys, and with different ones on the two nodes. One pair of supervisors serves all: they
 * are switched, while the servers go on.
 */
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { matrixWorld, programTests } from '../matrix/programs.js';

const MEGABYTES = 3;

describe('providers of keys', () => {
  // Out of band a peer's first byte comes only when both ends have their key, which under emulation takes its time.
  const world = matrixWorld(MEGABYTES, () => lab.up({ mode: 'boringssl', set: { silent_peer_timeout_ms: 5000 } }));
  after(() => lab.down());

  for (const [active, passive] of [
    ['boringssl', 'boringssl'],
    ['openssl', 'boringssl'],
    ['boringssl', 'openssl'],
    ['tlshub', 'tlshub'],
  ] as const) {
    describe(`${active} on the clients' node, ${passive} on the servers'`, () => {
      before(async () => {
        await Promise.all([lab.mode('a', active), lab.mode('b', passive)]);
      });

      it('each node says which library it runs on, and from which file', async () => {
        for (const [node, name] of [
          ['a', active],
          ['b', passive],
        ] as const) {
          const { mode, providers } = await lab.status(node);
          expect(mode).to.equal(name);
          const [now] = providers;
          expect(now).to.include({ name, state: 'active', workers: 1 });
          expect(now?.libraryVersion).to.match(
            { openssl: /^OpenSSL 3\./, boringssl: /^BoringSSL$/, tlshub: /^TLSHub, netlink protocol 2, a stand-in/ }[
              name
            ],
          );
          expect(now?.libraryFile).to.match(
            { openssl: /\/node$/, boringssl: /\/android\/libssl\.so\.0$/, tlshub: /^$/ }[name],
          );
        }
      });

      programTests({
        world,
        megabytes: MEGABYTES,
        providers: { active, passive },
        // TLSHub has no names for IPv6 connections; the mixed ones are TLS like the others.
        families: active === 'boringssl' && passive === 'boringssl' ? ['IPv4', 'IPv6'] : ['IPv4'],
      });
    });
  }

  // A suite of its own, since suites come after tests.
  describe('afterwards', () => {
    it('leaves no work behind in any of them', async () => {
      for (const node of ['a', 'b'] as const) {
        const { flows, providers } = await lab.status(node);
        expect(flows).to.include({ held: 0, negotiating: 0 });
        for (const provider of providers) expect(provider).to.include({ inFlight: 0, queued: 0, failed: 0 });
      }
    });
  });
});
