// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import type { Decision } from '../../src/policy/decide.js';
import { FlowClass } from '../../src/shared/kernel/abi.js';
import { INITIAL, step, type Action, type Input, type MachineState } from '../../src/supervisor/flow/machine.js';
import { whyForbidden } from '../../src/supervisor/flow/revocation.js';

const { MESH, PLAINTEXT } = FlowClass;

function decision(flowClass: Decision['class'], peerNodes: string[] = [], service?: string): Decision {
  return { class: flowClass, rule: 'mesh-peer', reason: 'the rule says so', peerNodes, ...(service && { service }) };
}

describe('what the rules of now forbid', () => {
  const judge = (
    flowClass: number,
    now: Decision,
    peer: { peerNode?: string | null; peerNodes?: string[] } = {},
  ): string | undefined =>
    whyForbidden({ class: flowClass, peerNode: null, peerNodes: [], ...peer }, now, new Set(['a', 'b', 'c']));

  it('a secured flow whose peer is no longer in the mesh, or proved to be another node than it has to be now', () => {
    expect(judge(MESH, decision('refused'), { peerNode: 'b' })).to.equal('no longer allowed: the rule says so');
    expect(judge(MESH, decision('mesh', ['c']), { peerNode: 'b' })).to.match(/the connection was made with b$/);
    expect(judge(MESH, decision('mesh', ['b', 'c']), { peerNode: 'b', peerNodes: ['c'] })).to.equal(undefined);
  });

  it('not a secured flow to a service whose endpoints have moved: it stays where it is, as long as its node is in the mesh', () => {
    const moved = decision('mesh', ['c'], 'shop/web');
    expect(judge(MESH, moved, { peerNode: 'b' })).to.equal(undefined);
    expect(judge(MESH, decision('refused', [], 'shop/web'), { peerNode: 'b' }), 'no endpoint left').to.equal(undefined);
    expect(judge(MESH, moved, { peerNode: 'gone' })).to.match(/the connection was made with gone$/);
    expect(judge(MESH, moved, { peerNodes: ['b'] }), 'nothing proven yet').to.match(/made with b$/);
    expect(judge(PLAINTEXT, moved)).to.match(/^no longer allowed in plaintext: /);
  });

  it('of an earlier agent nobody knows what the peer proved: then the mapping of that time counts', () => {
    expect(judge(MESH, decision('mesh', ['b']), { peerNodes: ['a', 'b'] })).to.equal(undefined);
    expect(judge(MESH, decision('mesh', ['c']), { peerNodes: ['a', 'b'] })).to.match(/made with a or b$/);
    expect(judge(MESH, decision('mesh', ['c']))).to.match(/made with nobody known$/);
  });

  it('a plaintext flow that has to be secured or refused now', () => {
    expect(judge(PLAINTEXT, decision('plaintext'))).to.equal(undefined);
    expect(judge(PLAINTEXT, decision('refused'))).to.match(/^no longer allowed: /);
    expect(judge(PLAINTEXT, decision('mesh', ['b']))).to.match(/^no longer allowed in plaintext: /);
  });

  it('not what is encrypted and need not be, nor what was refused already', () => {
    expect(judge(MESH, decision('plaintext'), { peerNode: 'b' })).to.equal(undefined);
    expect(judge(FlowClass.REFUSED, decision('refused'))).to.equal(undefined);
  });
});

describe('revoking a flow', () => {
  const revoke = (open = false): Input => ({ type: 'revoke', code: 'TLSHUB_REVOKED', reason: 'forbidden', open });
  const owner: Input = { type: 'owner' };
  const taken: Input = { type: 'taken', live: true };
  const negotiated: Input = { type: 'negotiated' };
  const installed: Input = { type: 'installed' };
  const cancelled: Input = {
    type: 'negotiation-failed',
    code: 'TLSHUB_HANDSHAKE_CANCELLED',
    reason: '',
    untouched: false,
    left: false,
    ended: false,
  };

  function run(inputs: Input[]): { state: MachineState; actions: Action[] } {
    let state: MachineState = INITIAL;
    const actions: Action[] = [];
    for (const input of inputs) {
      const { next, actions: more } = step(state, input);
      state = next;
      actions.push(...more);
    }
    return { state, actions };
  }

  const CASES: Record<string, { inputs: Input[]; does: Action; state: 'closed' | 'refused' }> = {
    'that waits': { inputs: [revoke(), { type: 'ended' }], does: 'destroy', state: 'refused' },
    'in plaintext': { inputs: [revoke(true), { type: 'ended' }], does: 'destroy', state: 'closed' },
    'that is negotiated': {
      inputs: [owner, taken, revoke(), cancelled, { type: 'ended' }],
      does: 'refuse',
      state: 'refused',
    },
    'that waits for a place': {
      inputs: [owner, taken, { type: 'pool-full' }, revoke(), { type: 'ended' }],
      does: 'refuse',
      state: 'refused',
    },
    'whose negotiation is faster than its end': {
      inputs: [owner, taken, revoke(), negotiated, installed, { type: 'ended' }],
      does: 'destroy',
      state: 'closed',
    },
    'whose keys are being set': {
      inputs: [owner, taken, negotiated, revoke(), installed, { type: 'ended' }],
      does: 'destroy',
      state: 'closed',
    },
    'that was given up, but not in time': {
      inputs: [
        owner,
        taken,
        { type: 'give-up', verdict: { state: 'refused', code: 'X', reason: 'x', final: false } },
        revoke(),
        installed,
        { type: 'ended' },
      ],
      does: 'destroy',
      state: 'closed',
    },
    'that is secured': {
      inputs: [owner, taken, negotiated, installed, revoke(true), { type: 'closed' }, { type: 'ended' }],
      does: 'destroy',
      state: 'closed',
    },
  };
  for (const [which, { inputs, does, state: end }] of Object.entries(CASES)) {
    it(`ends one ${which}, and says why`, () => {
      const { state, actions } = run(inputs);
      expect(actions.at(-1)).to.equal(does);
      expect(state.phase).to.equal('done');
      expect(state.verdict).to.include({ state: end, code: 'TLSHUB_REVOKED', reason: 'forbidden' });
    });
  }

  it('leaves one alone that is over, or whose end the kernel told of first', () => {
    const over = run([{ type: 'closed' }]).state;
    expect(step(over, revoke()).next).to.equal(over);
    const { state, actions } = run([owner, taken, negotiated, { type: 'closed' }, revoke(), installed]);
    expect(state).to.deep.include({ phase: 'done' });
    expect(actions).not.to.include('destroy');
  });
});
