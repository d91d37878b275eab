// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import {
  INITIAL,
  TAKE_TRIES,
  step,
  type Action,
  type Input,
  type MachineState,
  type Phase,
} from '../../src/supervisor/flow/machine.js';

/** Feeds inputs in order and returns where it ends and all actions on the way. */
function run(inputs: Input[], from: MachineState = INITIAL): { state: MachineState; actions: Action[] } {
  let state = from;
  const actions: Action[] = [];
  for (const input of inputs) {
    const result = step(state, input);
    state = result.next;
    actions.push(...result.actions);
  }
  return { state, actions };
}

const owner: Input = { type: 'owner' };
const taken: Input = { type: 'taken', live: true };
const failure = (code: string, more: { untouched?: boolean; left?: boolean; ended?: boolean } = {}): Input => ({
  type: 'negotiation-failed',
  code,
  reason: `it failed: ${code}`,
  untouched: more.untouched ?? false,
  left: more.left ?? false,
  ended: more.ended ?? false,
});

describe('flow machine', () => {
  it('goes from held to secured to closed', () => {
    const { state, actions } = run([owner, taken, { type: 'negotiated' }, { type: 'installed' }]);
    expect(state.phase).to.equal('secured');
    expect(actions).to.deep.equal(['take', 'negotiate']);
    expect(run([{ type: 'closed' }], state).state).to.include({ phase: 'done' });
  });

  it("takes the installer's word when it is faster than the provider's", () => {
    const { state } = run([owner, taken, { type: 'installed' }, { type: 'negotiated' }]);
    expect(state).to.include({ phase: 'secured', verdict: undefined });
  });

  it('looks again for a socket that was gone, then waits for news, then looks again', () => {
    let { state } = run([owner]);
    for (let i = 1; i < TAKE_TRIES; i++) {
      const again = run([{ type: 'take-gone' }, { type: 'retry' }], state);
      expect(again.actions).to.deep.equal(['pause', 'take']);
      state = again.state;
    }
    const waiting = run([{ type: 'take-gone' }], state);
    expect([waiting.state.phase, waiting.actions]).to.deep.equal(['waiting', []]);
    expect(run([owner], waiting.state).actions).to.deep.equal(['take']);
  });

  it('waits for the helper that takes the socket before it ends a connection', () => {
    const closing = run([owner, { type: 'closing' }]);
    expect([closing.state.phase, closing.actions]).to.deep.equal(['taking', ['take']]);
    expect(run([taken], closing.state).actions).to.deep.equal(['hang-up']);
    expect(run([{ type: 'take-gone' }], closing.state)).to.deep.include({ actions: ['continue'] });
    const late = run([owner, { type: 'deadline', code: 'TLSHUB_HANDSHAKE_TIMEOUT', reason: 'too late' }]).state;
    expect(run([taken], late)).to.deep.include({ actions: ['refuse'] });
    expect(run([{ type: 'take-busy' }], late)).to.deep.include({ actions: ['destroy'] });
    const over = run([owner, { type: 'closed' }, { type: 'take-gone' }]);
    expect([over.state.phase, over.actions]).to.deep.equal(['done', ['take', 'continue']]);
  });

  it('tries nothing more with a socket at which a helper was lost', () => {
    const lost: Input = { type: 'take-failed', code: 'TLSHUB_HELPER_LOST', reason: 'it did not come back' };
    const { state, actions } = run([owner, lost]);
    expect(actions).to.deep.equal(['take', 'continue']);
    expect(state.verdict).to.include({ state: 'refused', code: 'TLSHUB_HELPER_LOST' });
    expect(run([owner, { type: 'closing' }, lost]).actions).to.deep.equal(['take', 'continue']);
    const stuck: Input = { ...lost, code: 'TLSHUB_OWNER_STUCK' };
    expect(run([owner, stuck]).actions).to.deep.equal(['take', 'destroy']);
    const handshake = run([owner, taken, failure('TLSHUB_HELPER_LOST')]);
    expect(handshake.actions).to.deep.equal(['take', 'negotiate', 'close']);
    expect(handshake.state.verdict).to.include({ state: 'refused', code: 'TLSHUB_HELPER_LOST' });
  });

  it('destroys a connection whose socket it never got, when its time is up', () => {
    const { state, actions } = run([
      owner,
      { type: 'take-gone' },
      { type: 'deadline', code: 'TLSHUB_HANDSHAKE_TIMEOUT', reason: 'late' },
    ]);
    expect(actions.at(-1)).to.equal('destroy');
    expect(state.verdict).to.include({ state: 'refused', code: 'TLSHUB_HANDSHAKE_TIMEOUT' });
    expect(run([{ type: 'ended' }], state).state.phase).to.equal('done');
  });

  it('refuses after a failure, with its code and reason', () => {
    const { state, actions } = run([owner, taken, failure('TLSHUB_PEER_CERTIFICATE')]);
    expect(actions.at(-1)).to.equal('refuse');
    expect(state.verdict).to.include({ state: 'refused', code: 'TLSHUB_PEER_CERTIFICATE' });
  });

  it('lets a connection end by itself whose peer has ended it', () => {
    const left = run([owner, taken, failure('TLSHUB_PEER_CLOSED', { left: true })]);
    expect(left.actions.at(-1)).to.equal('forbid');
    expect(left.state.verdict?.state).to.equal('closed');
    const ended = run([owner, taken, failure('TLSHUB_PEER_CLOSED', { ended: true })]);
    expect(ended.actions.at(-1)).to.equal('forbid');
    expect(ended.state.verdict).to.include({ state: 'refused', code: 'TLSHUB_PEER_CLOSED' });
    expect(run([owner, { type: 'taken', live: false }]).actions).to.deep.equal(['take', 'forbid']);
  });

  it('gives a worker that died before it touched the connection one more try, and no third', () => {
    const lost = failure('TLSHUB_WORKER_LOST', { untouched: true });
    const once = run([owner, taken, lost]);
    expect(once.actions).to.deep.equal(['take', 'negotiate', 'negotiate']);
    expect(run([lost], once.state).actions).to.deep.equal(['refuse']);
    expect(run([owner, taken, failure('TLSHUB_WORKER_LOST')]).actions.at(-1)).to.equal('refuse');
  });

  it('never ends a borrowed descriptor before it is back', () => {
    const enders: Input[] = [
      { type: 'closing' },
      { type: 'closed' },
      { type: 'gate-refused', code: 'TLSHUB_GATE_REFUSED', reason: 'x' },
      { type: 'deadline', code: 'TLSHUB_HANDSHAKE_TIMEOUT', reason: 'x' },
      { type: 'give-up', verdict: { state: 'refused', code: 'X', reason: 'x', final: false } },
    ];
    const wanted: Action[] = ['hang-up', 'forbid', 'refuse', 'refuse', 'refuse'];
    enders.forEach((ender, i) => {
      const cancelled = run([owner, taken, ender]);
      expect(cancelled.actions).to.deep.equal(['take', 'negotiate', 'cancel']);
      expect(cancelled.state.phase).to.equal('cancelling');
      expect(run([failure('TLSHUB_HANDSHAKE_CANCELLED')], cancelled.state).actions).to.deep.equal([wanted[i]]);
    });
  });

  it('prefers the reason of a handshake to the mere end of its connection', () => {
    const refused = run([owner, taken, { type: 'closed' }, failure('TLSHUB_PEER_REFUSED_US')]).state;
    expect(refused.verdict).to.include({ state: 'refused', code: 'TLSHUB_PEER_REFUSED_US' });
    const ended = run([owner, taken, { type: 'closed' }, failure('TLSHUB_PEER_RESET')]).state;
    expect(ended.verdict).to.include({ state: 'closed', code: '' });
    const closed = run([owner, taken, { type: 'closing' }, failure('TLSHUB_PEER_REFUSED_US')]).state;
    expect(closed.verdict).to.include({ state: 'closed', reason: 'the program closed it' });
  });

  it('keeps the keys when a cancel came too late, unless the kernel or the gate has decided', () => {
    const tooLate = run([owner, taken, { type: 'closing' }, { type: 'negotiated' }, { type: 'installed' }]);
    expect(tooLate.state).to.include({ phase: 'secured', verdict: undefined });
    const refused = run([
      owner,
      taken,
      { type: 'gate-refused', code: 'TLSHUB_GATE_REFUSED', reason: 'x' },
      { type: 'installed' },
    ]);
    expect(refused.state.phase).to.equal('done');
    expect(refused.state.verdict?.state).to.equal('refused');
  });

  it('a connection that ends before the news of its keys comes was secured all the same', () => {
    const { state } = run([owner, taken, { type: 'negotiated' }, { type: 'closed' }, { type: 'installed' }]);
    expect(state.phase).to.equal('done');
    expect(state.verdict?.reason).to.equal('the connection ended');
  });

  it('believes the installer when a worker was given up for dead after it had handed over', () => {
    const given = run([owner, taken, failure('TLSHUB_WORKER_LOST'), { type: 'installed' }]);
    expect(given.state).to.include({ phase: 'secured', verdict: undefined });
  });

  it('waits in hold when the pool is full, and can be ended there', () => {
    const retrying = run([owner, taken, { type: 'pool-full' }]);
    expect(retrying.state.phase).to.equal('retrying');
    expect(run([{ type: 'room' }], retrying.state).actions).to.deep.equal(['negotiate']);
    expect(
      run([{ type: 'deadline', code: 'TLSHUB_HANDSHAKE_TIMEOUT', reason: 'x' }], retrying.state).actions,
    ).to.deep.equal(['refuse']);
    expect(run([{ type: 'closing' }], retrying.state).actions).to.deep.equal(['hang-up']);
  });

  /** Plays the world's part, so that every started piece of work comes back: take, negotiate, cancel, installer. */
  function play(events: Input[], success: boolean): { state: MachineState; log: Action[]; open: number } {
    let state = INITIAL;
    const log: Action[] = [];
    const queue = [...events];
    let open = 0;
    let borrowed = false;
    const answers: Input[] = [];
    for (let turn = 0; turn < 100 && (queue.length > 0 || answers.length > 0); turn++) {
      // Events first: answers of threads come later than anything the kernel has said already.
      const input = queue.shift() ?? answers.shift();
      if (input === undefined) break;
      if (input.type === 'negotiation-failed' || input.type === 'negotiated') borrowed = false;
      if (input.type === 'ended' || input.type === 'installed') open = Math.max(0, open - 1);
      const result = step(state, input);
      state = result.next;
      for (const action of result.actions) {
        log.push(action);
        if (action === 'take') {
          open++;
          const nested = step(state, taken);
          state = nested.next;
          for (const inner of nested.actions) {
            log.push(inner);
            if (inner === 'negotiate') {
              borrowed = true;
              answers.push(...(success ? [{ type: 'negotiated' } as Input, { type: 'installed' } as Input] : []));
            }
          }
        } else if (action === 'cancel') {
          answers.length = 0;
          answers.push(failure('TLSHUB_HANDSHAKE_CANCELLED'));
        } else if (['refuse', 'close', 'forbid', 'hang-up'].includes(action)) {
          expect(borrowed, `${action} while borrowed, after ${log.join(' ')}`).to.equal(false);
          answers.push({ type: 'ended' });
        }
      }
    }
    return { state, log, open };
  }

  function permutations<T>(items: T[]): T[][] {
    if (items.length < 2) return [items];
    return items.flatMap((item, i) =>
      permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest]),
    );
  }

  it('ends, with nothing left open, for every order of established, accepted, held, closing and closed', () => {
    // Established (of a passive flow) says nothing to the machine by itself; accepted and held say who has the socket.
    const events: (Input & { name: string })[] = [
      { type: 'retry', name: 'established' },
      { type: 'owner', name: 'accepted' },
      { type: 'owner', name: 'held' },
      { type: 'closing', name: 'closing' },
      { type: 'closed', name: 'closed' },
    ];
    const orders = permutations(events);
    expect(orders).to.have.length(120);
    for (const order of orders) {
      const what = order.map(({ name }) => name).join(', ');
      const { state, log, open } = play(order, true);
      expect(state.phase, what).to.equal('done' satisfies Phase);
      expect(state.verdict?.state, what).to.equal('closed');
      expect(open, what).to.equal(0);
      expect(log.filter((action) => action === 'take').length, what).to.be.lessThan(2);
    }
  });

  it('is secured for every order of established, accepted and held', () => {
    const events: Input[] = [{ type: 'retry' }, owner, owner];
    for (const order of permutations(events)) {
      const { state, open } = play(order, true);
      expect(state.phase).to.equal('secured');
      expect(open).to.equal(0);
    }
  });

  it('lets nothing bring a flow back that is over', () => {
    const dead = run([{ type: 'closed' }]).state;
    expect(dead.phase).to.equal('done');
    expect(run([owner, { type: 'closing' }, { type: 'retry' }, { type: 'room' }], dead)).to.deep.equal({
      state: dead,
      actions: [],
    });
  });
});
