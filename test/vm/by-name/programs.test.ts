// SPDX-License-Identifier: Apache-2.0
/** The program matrix with keys by name: not one handshake is on the connections of the programs. Each library, and both mixed. */
import { lab } from '../harness/index.js';
import { matrixWorld, programTests } from '../matrix/programs.js';
import { channelLab, untilByName } from '../harness/channel.js';

const MEGABYTES = 3;

describe('programs with keys by name', () => {
  const world = matrixWorld(MEGABYTES, channelLab);
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
        world,
        megabytes: MEGABYTES,
        providers: { active, passive },
        exchange: 'channel',
        families: active === passive ? ['IPv4', 'IPv6'] : ['IPv4'],
      });
    });
  }
});
