// SPDX-License-Identifier: Apache-2.0
/**
 * What is left of a handshake's secrets in the memory of a process that has made them: nothing, whichever TLS library and Node.js it is. They
 * are known here by the key log of the other end. Nor is anything left in helper processes, which have had the keys.
 */
import { expect } from 'chai';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { TlsLibrary } from '../../src/shared/kernel/words.js';
import { helpersOf } from '../wire/helper-processes.js';
import { needlesOf, searchHelper, searchMemory, summaryOf, type Needle } from '../wire/needles.js';
import { ALL_CIPHERS, addon, makeLab, request, run, succeeded, type Lab } from './handshake-kit.js';
import type { PeerReport } from './memory-peer.js';

const HANDSHAKES = 12;
const ROLES = ['passive', 'active'] as const;

describe('what handshakes leave in memory', function () {
  this.timeout(60_000);
  let lab: Lab;
  let peer: ChildProcess | undefined;

  before(async () => {
    lab = await makeLab('lab');
  });
  after(() => lab.remove());
  afterEach(() => {
    peer?.kill();
    peer = undefined;
  });

  const heard = async (): Promise<PeerReport> => ((await once(peer!, 'message')) as [PeerReport])[0];

  for (const library of ['openssl', 'boringssl'] as TlsLibrary[]) {
    for (const [cipher, role] of ALL_CIPHERS.flatMap((each) => ROLES.map((role) => [each, role] as const))) {
      it(`${library}, ${cipher}, ${role}: no secret, key or iv`, async () => {
        peer = fork(fileURLToPath(new URL('memory-peer.js', import.meta.url)));
        const ready = heard();
        peer.send({ library, role, credentials: { ...(await lab.credentials('b')), ciphers: [cipher] } });
        const started = await ready;
        if (!('port' in started)) throw new Error(started.ended);

        const context = addon.createContext({ ...(await lab.credentials('a')), ciphers: [cipher] });
        const driver = addon.createDriver();
        const other = role === 'active' ? 'passive' : 'active';
        const needles: Needle[] = [];
        for (let i = 0; i < HANDSHAKES; i++) {
          const socket = connect(started.port, '127.0.0.1').pause();
          await once(socket, 'connect');
          const ended = heard();
          const outcome = succeeded(await run(driver, context, request(socket, other, 'b', { keyLog: true })));
          // As far as a helper has the keys, and not further.
          const { ended: why } = (await ended) as Extract<PeerReport, { ended: string }>;
          expect(why).to.match(/^the socket has no flow state: bpf: /);
          needles.push(...needlesOf(outcome.keyLog, cipher));
          socket.destroy();
        }
        driver.close();
        expect(needles.length).to.be.greaterThan(HANDSHAKES * 4);
        // A search that finds nothing must be one that could.
        expect(searchMemory(process.pid, needles.slice(0, 4))).to.not.deep.equal([]);
        await sleep(100);
        expect(summaryOf(searchMemory(peer.pid!, needles))).to.deep.equal({});
        const helpers = helpersOf(peer.pid!);
        expect(helpers.length).to.be.greaterThan(3);
        for (const pid of helpers) expect(summaryOf(searchHelper(pid, needles)), 'in a helper').to.deep.equal({});
      });
    }
  }
});
