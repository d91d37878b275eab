// SPDX-License-Identifier: Apache-2.0
/** When the agent looks at what is noted of open records, and whom it has closed which. */
import { expect } from 'chai';
import { monotonicNs } from '../../src/shared/kernel/clock.js';
import { TlshubError } from '../../src/shared/errors/errors.js';
import { Turns } from '../../src/supervisor/flow/turns.js';
import { OWNER, World } from '../fakes/dispatcher-world.js';

const LATE_NS = 300e6;

describe('open records', () => {
  let world: World;
  beforeEach(() => (world = new World()));
  afterEach(() => world.dispatcher.close());

  const note = (cookie: bigint, ageNs: number): void => {
    const { tgid, fd, inode, startBoottime } = OWNER;
    world.kernel.openRecords.push({ tgid, fd, inode, startBoottime, cookie, sinceNs: monotonicNs() - ageNs });
  };
  const pushed = (): bigint[] => world.helpers.records.map(({ cookie }) => cookie);
  const look = async (): Promise<void> => {
    world.dispatcher.openRecords.look();
    await world.pass();
  };
  /** Lets timers of the agent's run, until it has asked so many helpers. */
  const until = async (count: number): Promise<void> => {
    while (pushed().length < count) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      world.helpers.flush();
    }
  };

  it('are closed when they are as old as TCP lets them become, and not before', async () => {
    note(1n, LATE_NS);
    note(2n, 0);
    await look();
    expect(pushed()).to.deep.equal([1n]);
    expect(world.helpers.records[0]).to.include({ tgid: OWNER.tgid, fd: OWNER.fd, inode: OWNER.inode });
    expect(world.dispatcher.counters.values.pushed).to.equal(1);
    world.kernel.openRecords.shift();
    await until(2);
    expect(pushed(), 'the younger one, without another event').to.deep.equal([1n, 2n]);
  });

  it('are looked for when the gate tells of them', async () => {
    world.event('OPEN_RECORD', { cookie: 0n, owner: undefined });
    note(1n, 0);
    await until(1);
    expect([...world.dispatcher.table.all()], 'a flow made of it').to.have.length(0);
    expect(world.dispatcher.counters.values.events).to.include({ open_record: 1 });
  });

  it('are found though the gate told of another one, that was closed before it was looked at', async () => {
    note(1n, 150e6);
    await look();
    world.event('OPEN_RECORD');
    // The look that is due for the first one finds nothing. Of the second the gate does not tell: it has told of something just now.
    world.kernel.openRecords = [];
    await new Promise((resolve) => setTimeout(resolve, 80));
    note(2n, 0);
    await until(1);
    expect(pushed()).to.deep.equal([2n]);
  });

  it('are found when a look was under way at the time', async () => {
    let answer: () => void = () => undefined;
    const { kernel } = world;
    const real = kernel.dueRecords.bind(kernel);
    kernel.dueRecords = async () => {
      kernel.dueRecords = real;
      await new Promise<void>((resolve) => (answer = resolve));
      return { due: [], nextNs: 0 };
    };
    world.dispatcher.openRecords.look();
    note(1n, LATE_NS);
    await look();
    expect(pushed()).to.deep.equal([]);
    answer();
    await until(1);
  });

  it('of one socket are left alone for a while when a helper has looked, open or not', async () => {
    note(1n, LATE_NS);
    world.helpers.recordOpen = false;
    await look();
    await look();
    expect(pushed()).to.deep.equal([1n]);
    expect(world.dispatcher.counters.values.pushed).to.equal(0);
    // Somebody was sending: the note is still there, and it is looked at again.
    await until(2);
  });

  it('are not asked for twice while a helper is at it', async () => {
    note(1n, LATE_NS);
    world.helpers.slow = true;
    await look();
    await look();
    expect(pushed()).to.deep.equal([1n]);
    world.helpers.release();
  });

  it('of sockets that are gone are nothing to speak of; of others that cannot be had, the log tells', async () => {
    world.helpers.noRoom = new TlshubError('TLSHUB_SOCKET_GONE', 'gone');
    note(1n, LATE_NS);
    await look();
    expect(world.lines).to.deep.equal([]);
    world.helpers.noRoom = new TlshubError('TLSHUB_HELPER_LOST', 'no answer');
    note(2n, LATE_NS);
    await look();
    expect(world.lines.map(({ message }) => message)).to.deep.equal([
      `what process ${OWNER.tgid} has sent with MSG_MORE waits for more: no answer`,
    ]);
    expect(world.dispatcher.counters.values.pushed).to.equal(0);
  });

  it('are not searched for in a cgroup for which it has been searched for long', async () => {
    world.helpers.cpuMs = 100;
    note(1n, LATE_NS);
    await look();
    note(2n, LATE_NS);
    await look();
    expect(world.helpers.records.map(({ search }) => search)).to.deep.equal([true, false]);
  });

  it('are looked at with each sweep: events may be lost', async () => {
    note(1n, LATE_NS);
    world.sweep();
    await world.pass();
    expect(pushed()).to.deep.equal([1n]);
  });

  it('and the end of a connection take turns: each helper has the only descriptor', async () => {
    note(1n, LATE_NS);
    world.helpers.slow = true;
    await look();
    world.event('ENDING', { cookie: 1n });
    world.event('ENDING', { cookie: 2n });
    expect(world.helpers.ends.map(({ cookie }) => cookie)).to.deep.equal([2n]);
    world.helpers.release();
    await world.pass();
    expect(world.helpers.ends.map(({ cookie }) => cookie)).to.deep.equal([2n, 1n]);
    world.event('ENDING', { cookie: 3n });
    expect(world.dispatcher.counters.values.flushed).to.equal(3);
  });

  it('are left as they are when the agent ends', async () => {
    world.event('OPEN_RECORD');
    world.dispatcher.close();
    note(1n, LATE_NS);
    await look();
    expect(pushed()).to.deep.equal([]);
  });
});

describe('turns', () => {
  it('come in order, and leave nothing behind', () => {
    const turns = new Turns();
    const begun: number[] = [];
    const dones: (() => void)[] = [];
    for (const n of [1, 2, 3]) {
      turns.take(7n, (done) => {
        begun.push(n);
        dones.push(done);
      });
    }
    turns.take(8n, (done) => done());
    expect(begun).to.deep.equal([1]);
    expect([turns.has(7n), turns.has(8n)]).to.deep.equal([true, false]);
    for (let i = 0; i < 3; i++) dones[i]!();
    expect(begun).to.deep.equal([1, 2, 3]);
    expect(turns.has(7n)).to.equal(false);
  });
});
