// SPDX-License-Identifier: Apache-2.0
/**
 * Somebody between the nodes who records, replays and invents connections with keys by name (test/programs/impostor.py): nothing of his is read by a
 * program, nothing is said to him but ciphertext, and who connects after him is secured as before.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import type { Program } from '../harness/program.js';
import { waitFor } from '../harness/wait.js';
import { SECRET } from '../harness/wire.js';
import { detailedFlows } from '../harness/mutual-tls.js';
import { converse, servers } from '../policy/support.js';
import { markerIn } from '../../wire/marker.js';
import { channelLab, conversation, exchangeOf, inNode, talk, untilByName } from '../harness/channel.js';

const PORT = 7320;
const [A, B] = ['10.77.0.1', '10.77.0.2'];
const IMPOSTOR = resolve('test/programs/impostor.py');

interface Seen {
  port: number;
  isn: number;
  epoch: number;
  number: number;
  payload: Buffer;
}

describe('an adversary between two nodes with keys by name', () => {
  let server: Program;
  let seen: Seen;

  /** A connection as somebody on the way sees it. */
  async function overheard(): Promise<Seen> {
    const sniffer = await lab.sniff();
    const made = { ...conversation(PORT), text: SECRET };
    expect(await converse(made)).to.include(`read ${SECRET}\n`);
    const capture = await sniffer.stop();
    expect(await exchangeOf(made)).to.equal('channel');
    const there = capture.segments.filter(({ src, dst, dport }) => src === A && dst === B && dport === PORT);
    const syn = there.find((segment) => segment.syn)!;
    const third = there.map(({ options }) => markerIn(options)).find((marker) => marker?.number !== undefined)!;
    const payload = Buffer.concat(
      there.filter((segment) => segment.payload.length > 0).map(({ payload: data }) => data),
    );
    return { port: syn.sport, isn: syn.seq, epoch: third.epoch!, number: third.number!, payload };
  }

  /** What the impostor saw, and what node b says of his connection. */
  async function pretend(
    how: Partial<Seen> & { named?: boolean },
  ): Promise<{ said: string; end: string; code: string }> {
    const { port, isn, epoch, number, payload, named } = { ...seen, ...how };
    const known = new Set((await detailedFlows('b')).map(({ cookie }) => cookie));
    const mac = (node: 'a' | 'b'): string => {
      const link = execFileSync('nsenter', [`--net=/run/netns/tlshub-${node}`, 'ip', '-o', 'link', 'show', 'eth0']);
      return (/link\/ether ([0-9a-f:]+)/.exec(link.toString())?.[1] ?? '').replaceAll(':', '');
    };
    const command = [
      IMPOSTOR,
      'vb',
      A,
      port,
      B,
      PORT,
      isn,
      named === true ? 'named' : epoch,
      number,
      payload.toString('hex'),
    ];
    const said = execFileSync('nsenter', ['--net=/run/netns/tlshub-net', 'python3', ...command.map(String)], {
      input: `${mac('b')}\n${mac('a')}\n`,
      encoding: 'utf8',
    });
    const flow = await waitFor(
      async () =>
        (await detailedFlows('b')).find(
          ({ cookie, dport, state }) =>
            !known.has(cookie) && dport === PORT && !['held', 'negotiating'].includes(state),
        ),
      20_000,
      'the flow of the impostor',
    );
    return { said, end: flow.state, code: flow.code };
  }

  const served = (text: string): number => server.stdout.split(text).length - 1;

  /** Node a would answer with a reset what it did not ask for. */
  const silence = (): void => {
    inNode('net', ['tc', 'qdisc', 'add', 'dev', 'va', 'clsact']);
    const filter = ['tc', 'filter', 'add', 'dev', 'va', 'egress', 'protocol', 'ip', 'prio', '1', 'u32'];
    inNode('net', [...filter, 'match', 'ip', 'sport', String(PORT), '0xffff', 'action', 'drop']);
  };
  const legitimately = async <T>(work: () => Promise<T>): Promise<T> => {
    inNode('net', ['tc', 'qdisc', 'del', 'dev', 'va', 'clsact']);
    try {
      return await work();
    } finally {
      silence();
    }
  };

  before(async function () {
    this.timeout(120_000);
    await channelLab({ set: { handshake_timeout_ms: 3000, hold_timeout_ms: 5000 } });
    server = (await servers('b', [PORT])).get(PORT)!;
    seen = await overheard();
    silence();
  });
  after(() => lab.down());

  it('says again what was said on a connection, with its number: refused, and the opener begins another epoch', async () => {
    const before = served('accepted');
    const { said, end, code } = await pretend({});
    expect(said)
      .to.match(/^named 25/)
      .and.to.not.include('data');
    expect({ end, code }).to.deep.equal({ end: 'refused', code: 'TLSHUB_CHANNEL_NUMBER_TAKEN' });
    expect(served('accepted') - before).to.be.at.most(1);
    await legitimately(() => untilByName('a'));
    const next = await legitimately(overheard);
    expect(next.epoch).to.not.equal(seen.epoch);
    seen = next;
  });

  it('says it again with a number that nobody had: it does not open', async () => {
    const { said, code } = await pretend({ number: seen.number + 1000 });
    expect(said).to.not.include('data');
    expect(code).to.not.equal('TLSHUB_CHANNEL_NUMBER_TAKEN');
  });

  it('names an epoch that there is not: refused', async () => {
    const { said, end, code } = await pretend({ epoch: seen.epoch ^ 0x800000, number: 7 });
    expect(said).to.not.include('data');
    expect({ end, code }).to.deep.equal({ end: 'refused', code: 'TLSHUB_CHANNEL_EPOCH_GONE' });
  });

  it('invents plaintext behind a good marker: no program reads it', async () => {
    const { said } = await pretend({ named: true, number: 4711, payload: Buffer.from('GET / HTTP/1.0\r\n\r\n') });
    expect(said).to.not.include('data');
  });

  it('in the end who is honest is secured as before, and the server has answered no one else', async () => {
    await legitimately(async () => {
      expect(await talk(conversation(PORT))).to.equal('channel');
    });
    expect(readFileSync('/run/tlshub-lab/b/log', 'utf8')).to.include('TLSHUB_CHANNEL_NUMBER_TAKEN');
  });
});
