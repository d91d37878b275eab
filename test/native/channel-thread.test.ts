// SPDX-License-Identifier: Apache-2.0
/** Two threads of channels, as two agents have one each: commands in, news out, over both TLS libraries. */
import { expect } from 'chai';
import type { ChannelNews } from '../../src/shared/ipc/messages.js';
import type { HandshakeCredentials } from '../../src/shared/kernel/handshake-addon.js';
import { kernel } from '../../src/shared/kernel/native.js';
import type { TlsLibrary } from '../../src/shared/kernel/words.js';
import { parseAddress } from '../../src/shared/net/address.js';
import { startChannelThread, type ChannelThread } from '../../src/supervisor/provider/channel-thread.js';
import { patience } from '../speed.js';
import { freePort, makeLab, type Lab } from './handshake-kit.js';

type NewsOf<T extends ChannelNews['type']> = Extract<ChannelNews, { type: T }>;

const GROUPS = ['X25519MLKEM768', 'X25519'];
const HOST = '127.0.0.1';

/** A thread, and what it has told that no test has looked at yet. */
class Agent {
  readonly failures: Error[] = [];
  readonly #news: ChannelNews[] = [];
  #told: () => void = () => undefined;
  thread!: ChannelThread;

  static async start(library: TlsLibrary): Promise<Agent> {
    const agent = new Agent();
    agent.thread = await startChannelThread({
      library,
      onNews: (news) => {
        if (news.type === 'open') kernel().discardSecret(news.secret);
        agent.#news.push(news);
        agent.#told();
      },
      onFailure: (error) => agent.failures.push(error),
    });
    return agent;
  }

  /** The next news of this kind; others stay. */
  async next<T extends ChannelNews['type']>(type: T): Promise<NewsOf<T>> {
    for (;;) {
      const at = this.#news.findIndex((news) => news.type === type);
      if (at >= 0) return this.#news.splice(at, 1)[0] as NewsOf<T>;
      await new Promise<void>((resolve) => (this.#told = resolve));
    }
  }

  async begin(ownName: string, credentials: HandshakeCredentials, port?: number): Promise<NewsOf<'begun'>> {
    const listen = port === undefined ? undefined : { host: HOST, port };
    this.thread.send({ type: 'begin', credentials, groups: GROUPS, ownName, listen });
    this.thread.send({ type: 'nodes', names: ['a', 'b'], addresses: [parseAddress(HOST)] });
    return this.next('begun');
  }
}

for (const library of ['openssl', 'boringssl'] as const) {
  describe(`channel threads (${library})`, function () {
    this.timeout(patience(20_000));
    let lab: Lab;
    let a: Agent;
    let b: Agent;
    let port: number;
    let ofA: HandshakeCredentials;
    let ofB: HandshakeCredentials;

    before(async () => {
      lab = await makeLab('lab');
      [ofA, ofB] = [await lab.credentials('a'), await lab.credentials('b')];
    });
    after(() => lab.remove());

    beforeEach(async () => {
      port = await freePort();
      [a, b] = await Promise.all([Agent.start(library), Agent.start(library)]);
      expect(await a.begin('a', ofA)).to.deep.equal({ type: 'begun', port: 0 });
      expect(await b.begin('b', ofB, port)).to.deep.equal({ type: 'begun', port });
    });
    afterEach(async () => {
      await Promise.all([a.thread.stop(), b.thread.stop()]);
      expect([...a.failures, ...b.failures]).to.deep.equal([]);
    });

    const open = (epoch: number): void => a.thread.send({ type: 'open', address: HOST, port, node: 'b', epoch });

    async function agree(epoch: number): Promise<{ mine: NewsOf<'open'>; theirs: NewsOf<'open'> }> {
      open(epoch);
      const { id, ...proposed } = await b.next('proposed');
      expect(proposed).to.include({ side: 'accepted', epoch, opener: 'a', listener: 'b' });
      b.thread.send({ type: 'accept', id });
      const [mine, theirs] = await Promise.all([a.next('open'), b.next('open')]);
      expect(theirs.id).to.equal(id);
      return { mine, theirs };
    }

    it('make an epoch, of which JavaScript has nothing but handles', async () => {
      const { mine, theirs } = await agree(4711);
      const known = ['type', 'round', 'id', 'side', 'epoch', 'opener', 'listener', 'cipher', 'group', 'secret'];
      for (const news of [mine, theirs]) {
        expect(news).to.have.all.keys(known);
        expect(news.secret).to.be.a('number').above(0);
        expect(news).to.include({ epoch: 4711, opener: 'a', listener: 'b' });
        expect(news.cipher).to.match(/^TLS_/);
      }
      expect([mine.side, theirs.side]).to.deep.equal(['opened', 'accepted']);
      expect(mine.group).to.equal(theirs.group);

      b.thread.send({ type: 'number-taken', id: theirs.id, number: 65_535 });
      expect(await a.next('number-taken')).to.include({ id: mine.id, number: 65_535 });
      a.thread.send({ type: 'close', id: mine.id, why: 'replaced' });
      expect(await b.next('closing')).to.include({ id: theirs.id, why: 'replaced' });
      for (const agent of [a, b]) expect(await agent.next('ended')).to.include({ epoch: 4711, code: '' });
      b.thread.send({ type: 'stats' });
      expect(await b.next('stats')).to.deep.equal({
        ...{ type: 'stats', sessions: 0, untold: 0, halfOpen: 0, turnedAway: 0, rests: 0, connections: 1 },
      });
    });

    it('tell why there is none', async () => {
      open(1);
      const { id } = await b.next('proposed');
      b.thread.send({ type: 'reject', id, why: 'too-many', text: '4 of a' });
      const rejected = await a.next('ended');
      expect(rejected).to.include({ epoch: 1, code: 'TLSHUB_CHANNEL_REJECTED' });
      expect(rejected.reason).to.include('4 of a');
      await b.begin('b', ofB);
      open(2);
      expect(await a.next('ended')).to.include({ epoch: 2, listener: 'b', code: 'TLSHUB_CHANNEL_UNREACHABLE' });
    });

    it('begin anew with other credentials: earlier epochs are closed, and the listener has no gap', async () => {
      const { mine, theirs } = await agree(1);
      b.thread.send({
        ...{ type: 'begin', credentials: await lab.credentials('b'), groups: GROUPS, ownName: 'b' },
        listen: { host: HOST, port },
      });
      expect(await a.next('closing')).to.include({ id: mine.id, why: 'changed' });
      // By now the listener is the new ones'; who had come to the old ones before would have been sent away.
      for (let i = 0; i < 8; i++) open(100 + i);
      expect(await b.next('begun')).to.deep.equal({ type: 'begun', port });
      expect(await b.next('ended')).to.include({ id: theirs.id, code: '' });
      expect(await a.next('ended')).to.include({ id: mine.id, code: '' });
      for (let i = 0; i < 8; i++) b.thread.send({ type: 'accept', id: (await b.next('proposed')).id });
      for (let i = 0; i < 8; i++) expect((await a.next('open')).epoch).to.be.within(100, 107);
    });

    it('say what they cannot listen at, with what to do, and go on without', async () => {
      const answer = await a.begin('a', ofA, port);
      expect(answer.error).to.include({ code: 'TLSHUB_CHANNEL_LISTEN', syscall: 'bind' });
      expect(answer.error?.message).to.include(`channel_listen = ${HOST}:${port}: `).and.include('in use');
      expect(answer.port).to.equal(0);
      await agree(3);
      // An address that the earlier one overlaps with.
      b.thread.send({
        ...{ type: 'begin', credentials: ofB, groups: GROUPS, ownName: 'b', listen: { host: '::', port } },
      });
      expect(await b.next('begun')).to.deep.equal({ type: 'begun', port });
    });

    it('have no channels with credentials that are not usable', async () => {
      const answer = await a.begin('a', { ...ofA, keyPem: ofB.keyPem });
      expect(answer.error?.code).to.equal('TLSHUB_CREDENTIALS');
      open(5);
      expect(await a.next('ended')).to.include({ epoch: 5, code: 'TLSHUB_CHANNEL_UNREACHABLE' });
    });

    it('are heard of once when they fail', async () => {
      const other = await Agent.start(library);
      other.thread.send({ type: 'open', address: HOST, port: 70_000, node: 'b', epoch: 1 });
      await other.begin('a', ofA);
      other.thread.send({ type: 'open', address: HOST, port: 70_000, node: 'b', epoch: 1 });
      while (other.failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      await other.thread.stop();
      expect(other.failures.map(({ message }) => message)).to.deep.equal([
        'port must be a whole number from 0 to 65535',
      ]);
    });

    it('tell peers when they stop', async () => {
      const { mine } = await agree(6);
      const began = performance.now();
      await b.thread.stop();
      expect(performance.now() - began).to.be.below(patience(2000));
      expect(await a.next('closing')).to.include({ id: mine.id, why: 'leaving' });
      expect(await a.next('ended')).to.include({ id: mine.id, code: '' });
    });
  });
}
