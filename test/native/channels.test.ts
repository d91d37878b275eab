// SPDX-License-Identifier: Apache-2.0
/** The channels of two agents with their threads, sessions and makers of keys, over both TLS libraries at once. Only the gate's maps are in memory. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeEndpoints } from '../../src/mapping/node-endpoints.js';
import type { EpochKeys } from '../../src/shared/kernel/kernel-addon.js';
import type { HandshakeCredentials } from '../../src/shared/kernel/handshake-addon.js';
import { monotonicNs } from '../../src/shared/kernel/clock.js';
import { kernel } from '../../src/shared/kernel/native.js';
import type { TlsLibrary } from '../../src/shared/kernel/words.js';
import { ChannelService } from '../../src/supervisor/provider/channel-service.js';
import { startSessions } from '../../src/supervisor/provider/channel-sessions.js';
import { Channels } from '../../src/supervisor/provider/channels.js';
import { FakeEpochs, flowOf } from '../fakes/channel-world.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { patience } from '../speed.js';
import { freePort, makeLab, type Lab } from './handshake-kit.js';

const HOST = '127.0.0.1';

class Agent {
  readonly maps = new FakeEpochs();
  readonly keys: EpochKeys = kernel().openEpochKeys();
  readonly channels: Channels;
  readonly service: ChannelService;
  on = false;

  constructor(
    readonly name: string,
    readonly library: TlsLibrary,
    readonly port: number,
    private readonly endpoints: NodeEndpoints,
  ) {
    const { log } = memoryLogger();
    const clock = (): number => monotonicNs() / 1e6;
    this.maps.discardSecret = (handle) => kernel().discardSecret(handle);
    this.channels = new Channels({
      ...{ ownName: name, kernel: this.maps, fds: { epochs: 1, nodeEpochs: 2 }, keys: this.keys, clock, log },
      numberOf: (node) => node.charCodeAt(0),
    });
    const setChannel = (on: boolean): void => void (this.on = on);
    this.service = new ChannelService({ channels: this.channels, start: startSessions, setChannel, clock, log });
  }

  apply(credentials: HandshakeCredentials, library = this.library): Promise<void> {
    const listen = { host: HOST, port: this.port };
    return this.service.apply(
      { library, credentials, groups: ['X25519'], ownName: this.name, listen },
      {
        ...{ nodes: new Set(['a', 'b']), endpoints: this.endpoints },
        ...{ ownCipher: 'TLS_AES_128_GCM_SHA256', epochMs: 120_000 },
      },
    );
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < patience(1000); i++) {
    if (condition()) return;
    await sleep(5);
  }
  throw new Error(`never came: ${what}`);
}

describe('the channels of two agents', function () {
  this.timeout(patience(20_000));
  let lab: Lab;
  let a: Agent;
  let b: Agent;
  let before = 0;
  let ofA: HandshakeCredentials;
  let ofB: HandshakeCredentials;

  beforeEach(async () => {
    before = kernel().secretMemory().secrets;
    lab = await makeLab('lab');
    const [portA, portB] = [await freePort(), await freePort()];
    const endpoints = NodeEndpoints.parse(`a ${HOST}:${portA}\nb ${HOST}:${portB}\n`);
    a = new Agent('a', 'openssl', portA, endpoints);
    b = new Agent('b', 'boringssl', portB, endpoints);
    [ofA, ofB] = [await lab.credentials('a'), await lab.credentials('b')];
    await Promise.all([a.apply(ofA), b.apply(ofB)]);
    expect([a.on, b.on]).to.deep.equal([true, true]);
  });
  afterEach(async () => {
    await Promise.all([a.service.close(), b.service.close()]);
    expect(kernel().secretMemory().secrets, 'secrets that are left').to.equal(before);
    await lab.remove();
  });

  const stateOf = (agent: Agent): string =>
    agent.channels
      .reports()
      .map(({ node, direction, state }) => `${direction} ${node} ${state}`)
      .join(', ');

  async function agree(): Promise<number> {
    a.channels.need('b');
    await until(() => a.maps.named.size === 1 && b.maps.nodeNames.size === 1, 'an epoch at both ends');
    const [epoch = 0] = a.maps.named.keys();
    expect(b.maps.nodeNames.get('a'.charCodeAt(0))?.epoch).to.equal(epoch);
    return epoch;
  }

  const makes = (agent: Agent, role: 'active' | 'passive', epoch: number, number: number, peer: string): string => {
    const made = agent.channels.derive(flowOf(role, epoch, number, [peer]));
    if (!('secrets' in made)) return made.code;
    kernel().discardSecret(made.secrets);
    return `${made.provider} ${made.peerName}`;
  };

  it('make an epoch at need, and keys of it at both ends, each number once', async () => {
    const epoch = await agree();
    expect(stateOf(a)).to.equal('opened b open');
    expect(stateOf(b)).to.equal('accepted a open');
    expect(makes(a, 'active', epoch, 3, 'b')).to.equal('openssl b');
    expect(makes(b, 'passive', epoch, 3, 'a')).to.equal('boringssl a');
    expect(makes(b, 'passive', epoch, 3, 'a')).to.equal('TLSHUB_CHANNEL_NUMBER_TAKEN');
  });

  it('a number that came twice: the opener hears of it, and makes another epoch', async () => {
    const epoch = await agree();
    makes(b, 'passive', epoch, 3, 'a');
    await sleep(1000);
    const again = b.channels.derive(flowOf('passive', epoch, 3, ['a']));
    if ('refused' in again) again.refused();
    await until(() => a.maps.named.size === 1 && !a.maps.named.has(epoch), 'the next epoch');
    await until(() => b.maps.nodeNames.get('a'.charCodeAt(0))?.epoch !== epoch, 'at the other end');
    expect(makes(a, 'active', epoch, 4, 'b'), 'a flow that is under way').to.equal('openssl b');
  });

  it('one that goes in order leaves nothing named, and connections under way have their keys', async () => {
    const epoch = await agree();
    await b.service.close();
    await until(() => a.maps.named.size === 0, 'the end at the opener');
    expect(makes(a, 'active', epoch, 1, 'b')).to.equal('openssl b');
  });

  it('other credentials are other sessions; those that the peer does not trust make none', async () => {
    const epoch = await agree();
    const other = await makeLab('lab');
    try {
      await a.apply(await other.credentials('a'));
      expect(makes(a, 'active', epoch, 1, 'b')).to.equal('TLSHUB_CHANNEL_EPOCH_GONE');
      await until(() => b.maps.nodeNames.size === 0, 'the end at the listener');
      a.channels.need('b');
      await until(() => stateOf(a) === 'opened b failed', 'its failure');
      expect(a.channels.reports()[0]?.lastError?.code).to.match(/^TLSHUB_PEER_/);
    } finally {
      await other.remove();
    }
  });

  it('another library takes over while the agent runs', async () => {
    const epoch = await agree();
    await a.apply(ofA, 'boringssl');
    expect(makes(a, 'active', epoch, 1, 'b'), 'a flow that is under way').to.equal('openssl b');
    expect(a.maps.named.size).to.equal(0);
    a.channels.need('b');
    await until(() => a.maps.named.size === 1, 'an epoch of the other library');
    expect(makes(a, 'active', [...a.maps.named.keys()][0]!, 1, 'b')).to.equal('boringssl b');
  });
});
