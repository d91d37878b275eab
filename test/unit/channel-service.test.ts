// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { parseConfig } from '../../src/config/load.js';
import { NodeEndpoints } from '../../src/mapping/node-endpoints.js';
import { PodNodeMapping } from '../../src/mapping/pod-node-mapping.js';
import { channelPlan, channelSettings } from '../../src/supervisor/channels.js';
import {
  ChannelService,
  type ChannelPlan,
  type ChannelThreadView,
  type ThreadEvents,
} from '../../src/supervisor/provider/channel-service.js';
import { ChannelWorld, FakeSessions, flowOf, settings } from '../fakes/channel-world.js';

const ca = (name: string): string => `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`;
const CREDENTIALS = { caPem: ca('ours'), certPem: 'cert', keyPem: 'key', ciphers: [] };

function planOf(changes: Partial<ChannelPlan> = {}): ChannelPlan {
  const listen = { host: '::', port: 9466 };
  return { library: 'openssl', credentials: CREDENTIALS, groups: ['X25519'], ownName: 'a', listen, ...changes };
}

class ServiceWorld extends ChannelWorld {
  readonly done: string[] = [];
  readonly threads: { events: ThreadEvents; plans: ChannelPlan[]; sessions: FakeSessions[] }[] = [];
  /** what the next begins reject with */
  readonly errors: Error[] = [];
  readonly service: ChannelService;

  constructor() {
    super();
    this.channels.use(undefined, true);
    this.service = new ChannelService({
      channels: this.channels,
      start: (library, events) => this.start(library, events),
      setChannel: (on) => this.done.push(`channel ${on ? 'on' : 'off'}`),
      clock: () => this.nowMs,
      log: this.log,
    });
  }

  private async start(library: string, events: ThreadEvents): Promise<ChannelThreadView> {
    this.done.push(`start ${library}`);
    await new Promise((resolve) => setImmediate(resolve));
    const thread: ServiceWorld['threads'][number] = { events, plans: [], sessions: [] };
    this.threads.push(thread);
    return {
      begin: async (plan) => {
        this.done.push('begin');
        await new Promise((resolve) => setImmediate(resolve));
        const error = this.errors.shift();
        if (error !== undefined) throw error;
        const sessions = new FakeSessions();
        thread.plans.push(plan);
        thread.sessions.push(sessions);
        return sessions;
      },
      setNodes: ({ nodes }) => this.done.push(`nodes ${[...nodes].join(' ')}`),
      stop: () => {
        this.done.push(`stop ${library}`);
        return Promise.resolve();
      },
    };
  }
}

/** The fake threads answer by the event loop, a turn for each step: all of them are done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('the thread of channels', () => {
  let world: ServiceWorld;
  beforeEach(() => (world = new ServiceWorld()));
  afterEach(() => world.service.close());

  it('comes up, is told of nodes, and then the gate agrees by name; it goes with exchange = in-band', async () => {
    await world.service.apply(undefined, settings());
    expect(world.done).to.deep.equal([]);
    expect(world.service.view.reports()).to.deep.equal([]);
    await world.service.apply(planOf(), settings());
    expect(world.done.splice(0)).to.deep.equal(['start openssl', 'nodes a b c', 'begin', 'channel on']);
    world.channels.need('b');
    expect(world.threads[0]?.sessions[0]?.opens).to.have.length(1);
    expect(world.service.view.reports()).to.have.length(1);
    await world.service.apply(planOf(), settings(['a', 'b']));
    expect(world.done.splice(0), 'the same thread').to.deep.equal(['nodes a b']);
    await world.service.apply(undefined, settings());
    expect(world.done).to.deep.equal(['channel off', 'stop openssl']);
    expect(world.service.view.reports()).to.deep.equal([]);
  });

  it('another library: another thread, and old epochs stay for connections under way', async () => {
    await world.service.apply(planOf(), settings());
    world.channels.need('a');
    world.done.length = 0;
    await world.service.apply(planOf({ library: 'boringssl' }), settings());
    const steps = ['channel off', 'stop openssl', 'start boringssl', 'nodes a b c', 'begin', 'channel on'];
    expect(world.done).to.deep.equal(steps);
    expect(world.channels.derive(flowOf('active', 101, 1, ['a']))).to.have.property('secrets');
  });

  it('other groups or another listener: the same thread, and the gate goes on', async () => {
    await world.service.apply(planOf(), settings());
    world.channels.need('a');
    for (const change of [{ groups: ['P-256'] }, { listen: undefined }]) {
      world.done.length = 0;
      await world.service.apply(planOf(change), settings());
      expect(world.done).to.deep.equal(['begin']);
      expect(world.threads[0]?.plans.at(-1)).to.include(change);
    }
    expect(world.channels.derive(flowOf('active', 101, 1, ['a']))).to.have.property('secrets');
    world.channels.need('b');
    expect(world.threads[0]?.sessions.map(({ opens }) => opens.length)).to.deep.equal([0, 0, 1]);
  });

  it('a renewed certificate, with one CA more: old epochs stay for connections under way', async () => {
    await world.service.apply(planOf(), settings());
    world.channels.need('a');
    const renewed = { ...CREDENTIALS, caPem: `${ca('next')}${ca('ours')}`, certPem: 'another', keyPem: 'another' };
    await world.service.apply(planOf({ credentials: renewed }), settings());
    expect(world.channels.derive(flowOf('active', 101, 1, ['a']))).to.have.property('secrets');
  });

  it('other CAs: nothing of the old ones is good any more', async () => {
    await world.service.apply(planOf(), settings());
    world.channels.need('a');
    world.channels.need('b');
    await world.service.apply(planOf({ credentials: { ...CREDENTIALS, caPem: ca('another') } }), settings());
    expect(world.epochs.secrets.size).to.equal(0);
    const [thread] = world.threads;
    expect(thread?.plans).to.have.length(2);
    const [old] = thread?.sessions ?? [];
    const { epoch } = old?.opens[0] ?? { epoch: 0 };
    const terms = { epoch, opener: 'a', listener: 'b', cipher: 'TLS_AES_128_GCM_SHA256', group: 'X25519' } as const;
    thread?.events.news({ type: 'open', name: { opened: epoch }, secret: 1, ...terms }, old!);
    thread?.events.stale(2);
    expect(world.epochs.discarded).to.deep.equal([1, 2]);
    expect(world.channels.reports()).to.deep.equal([]);
  });

  it('a plan that the thread cannot begin with: another thread, in a while', async () => {
    await world.service.apply(planOf(), settings());
    world.done.length = 0;
    world.errors.push(new Error('the port is taken'));
    await world.service.apply(planOf({ listen: { host: '::1', port: 1 } }), settings());
    expect(world.done.splice(0)).to.deep.equal(['begin', 'channel off', 'stop openssl']);
    world.nowMs += 1000;
    world.service.tick();
    await settled();
    expect(world.done).to.deep.equal(['start openssl', 'nodes a b c', 'begin', 'channel on']);
  });

  it('a thread that ends while it begins anew: all is in-band, and another one is begun', async () => {
    await world.service.apply(planOf(), settings());
    world.channels.need('a');
    const applied = world.service.apply(planOf({ groups: ['P-256'] }), settings());
    world.errors.push(new Error('it broke'));
    world.threads[0]?.events.failed(new Error('it broke'));
    await applied;
    expect(world.epochs.secrets.size).to.equal(0);
    expect(world.lines.filter(({ level }) => level === 'error')).to.have.length(1);
    world.nowMs += 1000;
    world.service.tick();
    await settled();
    expect(world.done.at(-1)).to.equal('channel on');
    expect(world.threads).to.have.length(2);
  });

  it('changes that come while it starts are made up for, the last one wins', async () => {
    const first = world.service.apply(planOf(), settings());
    const second = world.service.apply(planOf({ library: 'boringssl' }), settings());
    const third = world.service.apply(planOf({ groups: ['P-384'] }), settings());
    await Promise.all([first, second, third]);
    expect(world.threads.at(-1)?.plans.at(-1)?.groups).to.deep.equal(['P-384']);
    expect(world.done).to.deep.equal(['start openssl', 'nodes a b c', 'begin', 'channel on', 'begin']);
  });

  it('one that cannot start is tried again after 1 s, 2 s and so on; all is in-band meanwhile', async () => {
    world.errors.push(new Error('the port is taken'), new Error('still'));
    await world.service.apply(planOf(), settings());
    const failed = ['start openssl', 'nodes a b c', 'begin', 'stop openssl'];
    expect(world.done.splice(0)).to.deep.equal(failed);
    expect(world.lines.at(-1)?.message).to.contain('secured one by one: the port is taken');
    const second = async (): Promise<string[]> => {
      world.nowMs += 1000;
      world.service.tick();
      await settled();
      return world.done.splice(0);
    };
    expect(await second()).to.deep.equal(failed);
    expect(await second()).to.deep.equal([]);
    expect(await second()).to.deep.equal(['start openssl', 'nodes a b c', 'begin', 'channel on']);
  });

  it('one that ends by itself takes its epochs with it, and another one is begun', async () => {
    await world.service.apply(planOf(), settings());
    world.channels.need('a');
    world.done.length = 0;
    world.threads[0]?.events.failed(new Error('it broke'));
    expect(world.done).to.deep.equal(['channel off']);
    expect(world.epochs.secrets.size).to.equal(0);
    world.nowMs += 1000;
    world.service.tick();
    await settled();
    expect(world.done).to.include('channel on');
    world.threads[0]?.events.failed(new Error('once more'));
    expect(world.done.at(-1), 'the old one has nothing to say').to.equal('channel on');
  });

  it('what the kernel does not do for an epoch ends nothing', async () => {
    await world.service.apply(planOf(), settings());
    world.channels.need('a');
    world.epochs.dropEpoch = () => {
      throw new Error('no memory');
    };
    world.nowMs += 121_000;
    world.service.tick();
    await world.service.apply(planOf(), settings(['b']));
    expect(world.lines.filter(({ level }) => level === 'error')).to.have.length(2);
  });

  it('leaves with the gate: nothing is begun any more, and the thread ends', async () => {
    await world.service.apply(planOf(), settings());
    world.service.leave();
    await world.service.apply(planOf({ groups: ['P-256'] }), settings());
    await world.service.close();
    const steps = ['start openssl', 'nodes a b c', 'begin', 'channel on', 'channel off', 'stop openssl'];
    expect(world.done).to.deep.equal(steps);
    expect(world.epochs.closed).to.equal(true);
  });
});

describe('what channels are made with', () => {
  const mapping = PodNodeMapping.parse('web a 10.0.0.1\ndb b 10.0.0.2\ndb2 b 10.0.0.3\n');
  const plan = (text: string): ChannelPlan | undefined =>
    channelPlan({ config: parseConfig(`node_name = a\n${text}`, '/c'), credentials: CREDENTIALS });

  it('nothing with exchange = in-band, in mode tlshub, or without the marker', () => {
    expect(plan('')).to.equal(undefined);
    expect(plan('exchange = channel\nmode = tlshub')).to.equal(undefined);
    expect(plan('exchange = channel\nmode = tlshub\nmarker = false')).to.equal(undefined);
    expect(plan('exchange = channel\nmode = boringssl\nchannel_listen = [::1]:77\ntls.groups = P-256')).to.deep.equal({
      ...{ library: 'boringssl', credentials: CREDENTIALS, groups: ['P-256'], ownName: 'a' },
      listen: { host: '::1', port: 77 },
    });
    expect(plan('exchange = channel\nchannel_listen =')?.listen).to.equal(undefined);
  });

  it('the nodes of the mapping, worked out once for each mapping', () => {
    const config = parseConfig('tls.ciphers = TLS_CHACHA20_POLY1305_SHA256', '/c');
    const first = channelSettings({ mapping, endpoints: NodeEndpoints.none, config });
    expect([...first.nodes]).to.deep.equal(['a', 'b']);
    expect(first.ownCipher).to.equal('TLS_CHACHA20_POLY1305_SHA256');
    expect(channelSettings({ mapping, endpoints: NodeEndpoints.none, config }).nodes).to.equal(first.nodes);
  });
});
