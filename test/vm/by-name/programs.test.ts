// SPDX-License-Identifier: Apache-2.0
/** The program matrix with keys by name: not one handshake is on the connections of the programs. Each library, and both mixed. */
import { lab } from '../harness/index.js';
import {
  matrixContent,
  programTests,
  startServers,
  type MatrixContent,
  type MatrixServers,
} from '../matrix/programs.js';
import { channelLab, untilByName } from '../harness/channel.js';

const MEGABYTES = 3;

describe('programs with keys by name', () => {
  let content: MatrixContent;
  let running: MatrixServers;

  before(async function () {
    this.timeout(240_000);
    content = matrixContent(MEGABYTES);
    await channelLab();
    running = await startServers();
  });
  after(() => lab.down());

  for (const [active, passive] of [
    ['openssl', 'openssl'],
    ['boringssl', 'boringssl'],
    ['openssl', 'boringssl'],
    ['boringssl', 'openssl'],
  ] as const) {
    describe(`${active} on the clients' node, ${passive} on the servers'`, () => {
      before(async () => {
        await Promise.all([lab.mode('a', active), lab.mode('b', passive)]);
        await untilByName('a');
      });

      programTests({
        world: () => ({ content, running }),
        megabytes: MEGABYTES,
        providers: { active, passive },
        exchange: 'channel',
        families: active === passive ? ['IPv4', 'IPv6'] : ['IPv4'],
      });
    });
  }
});
