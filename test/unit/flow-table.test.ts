// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { FlowClass } from '../../src/shared/kernel/abi.js';
import { FlowTable, createFlow, reportOf, stateOf, tupleText, type Flow } from '../../src/supervisor/flow/table.js';
import { SlotTable, claimSlot, createSlots } from '../../src/shared/ipc/slots.js';
import { Deadlines } from '../../src/shared/async/deadlines.js';

function v4(text: string): Uint8Array {
  return Uint8Array.from([...Array<number>(10).fill(0), 0xff, 0xff, ...text.split('.').map(Number)]);
}

function flow(cookie: bigint, more: Partial<Flow> = {}): Flow {
  const seed = {
    cookie,
    generation: 1,
    role: 'active' as const,
    class: FlowClass.MESH,
    tuple: { local: v4('10.0.0.1'), remote: v4('10.0.0.2'), lport: 4711, rport: 80 },
    iss: 0,
    irs: 0,
    createdNs: 0,
    establishedNs: 0,
    peerIntent: 0,
    cgroup: 1n,
  };
  return { ...createFlow({ ...seed, ...more }, 5), ...more };
}

describe('flow table', () => {
  it('keeps as many flows that are over as it is told, the newest ones', () => {
    const table = new FlowTable(() => 3);
    for (let cookie = 1n; cookie <= 10n; cookie++) {
      const each = flow(cookie);
      table.add(each);
      if (cookie !== 2n) table.retire(each);
    }
    expect([...table.all()].map((each) => each.cookie)).to.deep.equal([2n, 8n, 9n, 10n]);
    expect(table.overCount).to.equal(3);
    expect(table.isLive(table.get(2n)!)).to.equal(true);
    expect(table.isLive(table.get(9n)!)).to.equal(false);
  });

  it('retires a flow once, and not the newer generation of its socket', () => {
    const table = new FlowTable(() => 10);
    const old = flow(1n);
    const young = flow(1n, { generation: 2 });
    table.add(old);
    table.retire(old);
    table.retire(old);
    table.add(young);
    table.retire(old);
    expect(table.overCount).to.equal(0);
    expect(table.get(1n)).to.equal(young);
    expect(table.isLive(young)).to.equal(true);
    expect(table.isLive(old)).to.equal(false);
  });

  it('keeps nothing when told to keep nothing', () => {
    const table = new FlowTable(() => 0);
    const only = flow(1n);
    table.add(only);
    table.retire(only);
    expect(table.size).to.equal(0);
  });

  it('finds work by ticket, once', () => {
    const table = new FlowTable(() => 1);
    const each = flow(1n);
    table.bindTicket(7, each);
    expect(table.pendingTickets).to.equal(1);
    expect(table.takeTicket(7)).to.equal(each);
    expect(table.takeTicket(7)).to.equal(undefined);
  });

  it('reports addresses from the side that connected, on both sides alike', () => {
    const active = reportOf(flow(1n));
    const passive = reportOf(
      flow(2n, {
        role: 'passive',
        tuple: { local: v4('10.0.0.2'), remote: v4('10.0.0.1'), lport: 80, rport: 4711 },
      }),
    );
    const ends = { src: '10.0.0.1', sport: 4711, dst: '10.0.0.2', dport: 80 };
    expect(active).to.include({ ...ends, role: 'active', cookie: '1' });
    expect(passive).to.include({ ...ends, role: 'passive', cookie: '2' });
    expect(JSON.parse(JSON.stringify(active))).to.deep.equal(active);
    expect(tupleText(flow(1n))).to.equal('10.0.0.1:4711 -> 10.0.0.2:80');
  });

  it('shows the state that people know', () => {
    const at = (phase: Flow['machine']['phase']): Flow =>
      flow(1n, { machine: { phase, misses: 0, attempts: 0, verdict: undefined } });
    expect((['waiting', 'taking', 'pausing', 'retrying'] as const).map((phase) => stateOf(at(phase)))).to.deep.equal(
      Array(4).fill('held'),
    );
    expect(stateOf(at('negotiating'))).to.equal('negotiating');
    expect(stateOf(at('installing'))).to.equal('negotiating');
    expect(stateOf(at('secured'))).to.equal('secured');
    expect(stateOf(flow(1n, { class: FlowClass.PLAINTEXT }))).to.equal('plaintext');
    const verdict = { state: 'refused', code: 'X', reason: 'why', final: false } as const;
    const refused = flow(1n, { machine: { phase: 'ending', misses: 0, attempts: 0, verdict } });
    expect(reportOf(refused)).to.include({ state: 'refused', reason: 'why', code: 'X' });
  });
});

function slotOf(slots: SlotTable, owner: bigint): { slot: number; ticket: number } {
  const place = slots.acquire(owner);
  if (typeof place === 'string') throw new Error(place);
  return place;
}

describe('slot table', () => {
  it('lets exactly one come first', () => {
    const slots = new SlotTable(createSlots());
    const words = new Int32Array(slots.buffer);
    const place = slotOf(slots, 1n);
    expect(claimSlot(words, place.slot, place.ticket + 1)).to.equal(false);
    expect(claimSlot(words, place.slot, place.ticket)).to.equal(true);
    expect(claimSlot(words, place.slot, place.ticket)).to.equal(false);
    slots.release(place.slot);
    const again = slotOf(slots, 1n);
    expect(again.slot).to.equal(place.slot);
    expect(claimSlot(words, again.slot, place.ticket)).to.equal(false);
    expect(slots.inUse).to.equal(1);
  });

  it('is bounded, and nobody has more of it than is left for others', () => {
    const slots = new SlotTable(new SharedArrayBuffer(8 * 4));
    const first = [1, 2, 3, 4].map(() => slotOf(slots, 1n));
    expect(slots.acquire(1n)).to.equal('share');
    for (const owner of [2n, 2n, 3n, 4n]) slotOf(slots, owner);
    expect(slots.acquire(5n)).to.equal('full');
    for (const { slot } of first) slots.release(slot);
    expect(slots.inUse).to.equal(4);
    for (const owner of [1n, 1n, 5n]) slotOf(slots, owner);
    expect(slots.acquire(1n)).to.equal('share');
  });
});

describe('deadlines', () => {
  it('run once, can be restarted, and end with their owner', async () => {
    const deadlines = new Deadlines<string>();
    const ran: string[] = [];
    deadlines.set('a', 'x', 5, () => ran.push('a.x first'));
    deadlines.set('a', 'x', 5, () => ran.push('a.x'));
    deadlines.set('b', 'x', 5, () => ran.push('b.x'));
    deadlines.set('b', 'y', 5, () => ran.push('b.y'));
    deadlines.clear('b');
    expect(deadlines.has('a', 'x')).to.equal(true);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(ran).to.deep.equal(['a.x']);
    expect(deadlines.size).to.equal(0);
  });
});
