// SPDX-License-Identifier: Apache-2.0
/** The main job on real programs, with OpenSSL's keys on both nodes. */
import { release } from 'node:os';
import { expect } from 'chai';
import { knowEachOther } from '../harness/channel.js';
import { EXCHANGE_ASKED, lab } from '../harness/lab.js';
import { watchStandstill, type Watch } from '../harness/standstill.js';
import { holdSleeps, stops } from '../unnoticed/support.js';
import { at, digestOf } from './files.js';
import { matrixWorld, programTests, worked } from './programs.js';
import { PORTS } from './servers.js';

const MEGABYTES = 10;

/** Each way is to have its kernels in `npm test`: 6.1 the handshake on each connection, the later ones what is the product's default. */
const inBand = (EXCHANGE_ASKED ?? (release().startsWith('6.1.') ? 'in-band' : 'channel')) === 'in-band';

describe('unmodified programs speak mutual TLS 1.3', () => {
  /** Where callers are put to sleep. */
  let standstill: { watch: Watch; stopsBefore: unknown[] } | undefined;

  const world = matrixWorld(MEGABYTES, async () => {
    await lab.need({ exchange: inBand ? 'in-band' : 'default' });
    if (!inBand) await knowEachOther(['a']);
    if (await holdSleeps()) standstill = { stopsBefore: await stops(), watch: watchStandstill() };
  });

  programTests({ world, megabytes: MEGABYTES, exchange: inBand ? 'in-band' : 'channel' });

  it('leaves programs alone that talk over loopback', async () => {
    const known = (await lab.flows('b')).length;
    worked(await lab.exec('b', ['curl', '-sSf', '-o', at('out'), `http://127.0.0.1:${PORTS.nginx}/file`]));
    expect(digestOf(at('out'))).to.equal(world().content.file.sha256);
    const flows = (await lab.flows('b')).slice(known);
    expect(
      flows.filter(({ state, kernelUlp }) => state !== 'plaintext' && (state !== 'closed' || kernelUlp !== null)),
    ).to.deep.equal([]);
  });

  it('not once does a process of theirs stand still', async function () {
    if (standstill === undefined) return this.skip();
    const { looks, seen } = await standstill.watch.end();
    expect(looks, 'looks at all processes').to.be.greaterThan(1000);
    expect(seen, 'processes that were seen to stand still').to.deep.equal([]);
    expect(await stops(), 'stops on both nodes, before and after').to.deep.equal(standstill.stopsBefore);
  });
});
