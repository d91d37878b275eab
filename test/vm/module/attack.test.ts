// SPDX-License-Identifier: Apache-2.0
/** Somebody between the nodes' TLSHub modules who loses, repeats, swaps, records and replays, and a flood of first messages from elsewhere. */
import { expect } from 'chai';
import { lab, waitFor } from '../harness/index.js';
import type { Program } from '../harness/program.js';
import { ask, BETWEEN, complaints, last, report, TYPE, type Many } from './support.js';

/** Both nodes speak to each other by way of node c. */
async function between(how: string): Promise<Program> {
  const relay = lab.spawn('c', [...BETWEEN, 'relay', '9000', '10.77.0.1', '10.77.0.2', how]);
  await waitFor(() => relay.stdout.includes('ready'), 30_000, 'the relay');
  await last('a', 'peer b endpoint=10.77.0.3:9000 update');
  await last('b', 'peer a endpoint=10.77.0.3:9000 update');
  return relay;
}

describe('the TLSHub kernel module, attacked', function () {
  this.timeout(120_000);
  beforeEach(() => lab.up({ bare: true, module: true }));
  afterEach(() => lab.down());

  for (const how of ['drop=3', 'twice', 'swap', 'twice,swap,drop=5']) {
    it(`keys are the same at both ends, each given once, by way of one who does ${how}`, async () => {
      const relay = await between(how);
      await ask('a', 'set start=20000');
      const there = last<Many>('b', 'collect 500 50 10.77.0.1 10.77.0.2 8000');
      const here = await last<Many>('a', 'many 500 50 10.77.0.1 10.77.0.2 8000');
      expect(here).to.deep.include({ done: 500, distinct: 500, others: {} });
      expect(await there).to.deep.include({ done: 500, hash: here.hash });
      await relay.stop();
    });
  }

  it('what was recorded changes nothing when it is sent again, and gives no key', async () => {
    const relay = await between('plain');
    const here = await last<Many>('a', 'many 50 10 10.77.0.1 10.77.0.2 8000');
    expect(here).to.include({ done: 50 });
    const there = await last<Many>('b', 'collect 50 10 10.77.0.1 10.77.0.2 8000');
    expect(there.hash).to.equal(here.hash);
    const before = await report('b');
    relay.kill('SIGUSR1');
    await waitFor(
      async () => (await report('b')).counters.dropReplayed! > before.counters.dropReplayed!,
      30_000,
      'replayed messages that are dropped',
    );
    await waitFor(
      async () => (await report('b')).counters.dropReplayedHandshake === 1,
      30_000,
      'a replayed first message that is dropped',
    );
    const after = await report('b');
    expect(after.flows).to.equal(0);
    expect(after.counters.keysTaken).to.equal(before.counters.keysTaken);
    expect(after.counters.handshakes).to.equal(before.counters.handshakes);
    expect(await last('a', 'start4 10.77.0.1 7 10.77.0.2 8000')).to.include({ type: TYPE.done });
    await relay.stop();
  });

  it('a flood of first messages from 10,000 addresses: the session goes on, and a new one is made', async () => {
    expect(await last('a', 'start4 10.77.0.1 7 10.77.0.2 8000')).to.include({ type: TYPE.first });
    const { publicKey } = await report('b');
    const flood = lab.spawn('c', [...BETWEEN, 'flood', '10000', 'fd77::2', publicKey ?? '']);
    await waitFor(async () => (await report('b')).counters.dropForged! > 0, 30_000, 'the flood');
    const during = await last<Many>('a', 'many 200 20 10.77.0.1 10.77.0.2 8000');
    expect(during).to.deep.include({ done: 200, others: {} });
    // With another pre-shared key both ends need a new session.
    for (const [node, other] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const)
      await last(node, `peer ${other} psk=${'5'.repeat(64)} update`, 'set start=20000');
    expect(await last('a', 'start4 10.77.0.1 8 10.77.0.2 8000')).to.include({ type: TYPE.done });
    await flood.ended;
    const { counters } = await report('b');
    expect(
      counters.dropForged! + counters.dropCookie! + counters.dropQueue!,
      JSON.stringify(counters),
    ).to.be.greaterThan(1000);
    expect(counters.dropCookie, JSON.stringify(counters)).to.be.greaterThan(0);
    expect(complaints()).to.deep.equal([]);
  });
});
