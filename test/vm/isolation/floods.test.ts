// SPDX-License-Identifier: Apache-2.0
/**
 * Programs that make the gate tell of them as fast as they can: they close copies of a socket, ask again and again, connect where policy forbids
 * it. What they make known is bounded for each socket and each cgroup, no event of others is lost, and others' connections all succeed.
 */
import { expect } from 'chai';
import { lab, waitFor } from '../harness/index.js';
import { Peer, step, type Step } from '../harness/peer.js';
import { SECRET } from '../harness/wire.js';

const B = '10.77.0.2';
/** Not captured (harness/wire.ts): accepts and says nothing, so that the flow stays held. */
const SILENT = 7900;
const INNOCENT = 7110;
/** Of no pod: policy is strict. */
const FORBIDDEN = '10.77.0.99:80';
const MS = 8000;
const NOBODY = { user: 'nobody' };
/** Events that cost their program nothing: what a cgroup can have at once, and in a second (bpf/budget.bpf.h); and some for the innocent. */
const most = (seconds: number): number => 64 + 256 * seconds + 500;

/** What became of the innocent connections on either side. */
async function explain(asked: readonly Step[]): Promise<string> {
  const sides = await Promise.all(
    (['a', 'b'] as const).map(async (node) =>
      (await lab.flows(node))
        .filter(({ dport }) => dport === INNOCENT)
        .map(({ state, reason, holdMs, negotiationMs }) => `${state} ${reason} ${holdMs} ${negotiationMs}`),
    ),
  );
  const { lease, notReady } = await lab.status('a');
  return JSON.stringify({ lease, notReady, sides, asked });
}

describe('programs that make events in a loop', () => {
  // The loops have both processors of the machine, and agents what is left: a peer's first byte may take longer than the second that it has by default.
  before(() =>
    lab.need({ set: { handshake_timeout_ms: 15_000, hold_timeout_ms: 20_000, silent_peer_timeout_ms: 15_000 } }),
  );

  it('are told of within bounds, while every connection beside them works', async function () {
    this.timeout(240_000);
    const before = await lab.status('a');
    const silent = await Peer.listen('b', SILENT, ['accept', 'sleep:60000'], { outside: true });
    const server = await Peer.listen('b', INNOCENT, ['serve-threads:20']);
    const began = Date.now();
    const floods = [
      [`connect-begin:${B}:1`, 'sleep:300', `close-copies:${MS}`],
      ['nb', `connect:${B}:${SILENT}`, 'child', `ask-again:${MS}`, 'end-child', `ask-again:${MS}`, 'wait'],
      [`connect-again:${MS},${FORBIDDEN}`],
    ].map((ops) => Peer.start('a', ['socket:tcp', ...ops], NOBODY));
    await waitFor(() => floods.every((flood) => flood.steps.length > 0), 20_000, 'three floods');
    const asked = await Peer.start('a', [`ask:20,${B}:${INNOCENT},${SECRET}`]).finish(60_000);
    expect(step(asked, 'ask').result, await explain(asked)).to.equal(20);
    const loops = (await Promise.all(floods.map((flood) => flood.finish(60_000))))
      .flat()
      .filter(({ tries }) => tries > 0);
    const seconds = (Date.now() - began) / 1000;
    await Promise.all([silent.stop(), server.stop()]);

    const { events, gate } = await lab.status('a');
    const kinds = ['held', 'closing', 'refused'] as const;
    const told = kinds.map((kind) => (events.received[kind] ?? 0) - (before.events.received[kind] ?? 0));
    const withheld = (gate.eventsWithheld ?? 0) - (before.gate.eventsWithheld ?? 0);
    const calls = loops.map(({ op, tries }) => `${op} ${tries}`).join(', ');
    process.stdout.write(`      ${calls} in ${seconds.toFixed(0)} s: told ${told.join(' + ')}, withheld ${withheld}\n`);
    expect(
      told.reduce((sum, n) => sum + n, 0),
      'held, closing and refused',
    ).to.be.below(most(seconds));
    expect(withheld, 'they were withheld').to.be.greaterThan(1000);
    expect(events.lost - before.events.lost, 'lost').to.equal(0);
  });
});
