// SPDX-License-Identifier: Apache-2.0
/** What is not the straight way goes in-band, with no delay and no plaintext: each way with the wire captured. */
import { appendFileSync, copyFileSync, renameSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type MeshNode } from '../harness/index.js';
import type { Sniffer } from '../harness/sniffer.js';
import { FAMILIES, TALKER, converse, flowOf, servers } from '../policy/support.js';
import { channelLab, conversation, exchangeOf, inNode, talk, untilByName } from '../harness/channel.js';

const PORT = 7310;
const OBJECT = resolve('build/bpf-test/middlebox.bpf.o');
/** An address that is nobody's but a rule's. */
const SERVICE = '10.77.0.200';

type Section = 'strip' | 'strip_syn' | 'strip_syn_ack' | 'strip_rest' | 'drop';

/** With a device of that kind between the nodes. */
async function behind<T>(section: Section, work: () => Promise<T>): Promise<T> {
  inNode('net', ['tc', 'qdisc', 'add', 'dev', 'va', 'clsact']);
  try {
    for (const hook of ['ingress', 'egress']) {
      inNode('net', ['tc', 'filter', 'add', 'dev', 'va', hook, 'bpf', 'da', 'obj', OBJECT, 'sec', section]);
    }
    return await work();
  } finally {
    inNode('net', ['tc', 'qdisc', 'del', 'dev', 'va', 'clsact']);
  }
}

/** With rules of a node's own. */
async function under<T>(node: MeshNode, rules: string, work: () => Promise<T>): Promise<T> {
  inNode(node, ['nft', '-f', '-'], rules.replaceAll('; ', ';\n').replaceAll(' }', '\n}'));
  try {
    return await work();
  } finally {
    inNode(node, ['nft', 'flush', 'ruleset']);
  }
}

describe('keys by name where something is in the way', () => {
  let sniffer: Sniffer | undefined;

  before(async function () {
    this.timeout(120_000);
    await channelLab();
    for (const node of ['a', 'b'] as const) await servers(node, [PORT]);
    sniffer = await lab.sniff();
  });
  after('nothing but TLS was on the wire', async () => {
    const capture = await sniffer?.stop();
    await lab.down();
    if (capture === undefined) return;
    expect(capture.plaintextFrames, capture.describe()).to.equal(0);
    expect(capture.contains('-by-name'), 'a text is on the wire').to.equal(false);
  });

  for (const family of FAMILIES) {
    for (const from of ['a', 'b'] as const) {
      it(`the straight way, ${family}, from ${from}`, async () => {
        expect(await talk(conversation(PORT, from, family))).to.equal('channel');
      });
    }
  }

  for (const section of ['strip_syn', 'strip_syn_ack', 'drop'] as const) {
    it(`in-band where a device has the effect of ${section}`, () =>
      behind(section, async () => {
        for (const family of FAMILIES) expect(await talk(conversation(PORT, 'a', family))).to.equal('in-band');
      }));
  }

  it('a device that begins to strip third segments costs the connection of that moment, the next ones are in-band, and then by name again', async () => {
    await untilByName('a');
    await behind('strip_rest', async () => {
      const first = conversation(PORT);
      const said = await converse(first);
      expect(said).to.not.include('read');
      expect((await flowOf('b', first)).state).to.equal('refused');
      expect(await talk(conversation(PORT))).to.equal('in-band');
      expect(await talk(conversation(PORT))).to.equal('in-band');
    });
    expect(await talk(conversation(PORT))).to.equal('in-band');
    expect(await talk(conversation(PORT))).to.equal('channel');
  });

  it('by name where SYN cookies are forced', async () => {
    inNode('b', ['sysctl', '-qw', 'net.ipv4.tcp_syncookies=2']);
    try {
      for (const family of FAMILIES) expect(await talk(conversation(PORT, 'a', family))).to.equal('channel');
    } finally {
      inNode('b', ['sysctl', '-qw', 'net.ipv4.tcp_syncookies=1']);
    }
  });

  it('in-band where the client is translated on its way', () =>
    under(
      'a',
      `table ip t { chain c { type nat hook postrouting priority 100; tcp dport ${PORT} snat to 10.77.0.1:40000-40100; } }`,
      async () => {
        expect(await talk(conversation(PORT))).to.equal('in-band');
      },
    ));

  it('by name to the address of a service', async () => {
    const mapping = lab.config('a').replace('a/capture.conf', 'mapping.conf');
    copyFileSync(mapping, `${mapping}.kept`);
    appendFileSync(mapping, `service b ${SERVICE}\n`);
    try {
      await Promise.all([lab.reload('a'), lab.reload('b')]);
      await untilByName('a');
      await under(
        'a',
        `table ip t { chain c { type nat hook output priority -100; ip daddr ${SERVICE} dnat to 10.77.0.2; } }`,
        async () => {
          const made = conversation(PORT);
          const { stdout } = await lab.exec('a', [TALKER, 'blocking', SERVICE, String(PORT), made.text]);
          expect(stdout).to.include(`read ${made.text}\n`);
          const at = (await lab.flows('a')).filter(({ dst }) => dst === SERVICE).at(-1);
          expect(at).to.include({ exchange: 'channel', peerNode: 'b' });
          expect(await flowOf('b', made)).to.include({ secured: true, exchange: 'channel', epoch: at?.epoch });
        },
      );
    } finally {
      renameSync(`${mapping}.kept`, mapping);
      await Promise.all([lab.reload('a'), lab.reload('b')]);
    }
  });

  it('in-band to a node whose agent has just begun anew, and by name again soon', async () => {
    await untilByName('a');
    await lab.kill('b');
    await lab.restart('b');
    const made = conversation(PORT);
    const said = await converse(made);
    const ends = await Promise.all((['a', 'b'] as const).map((node) => flowOf(node, made)));
    expect(said, JSON.stringify(ends)).to.include(`read ${made.text}\n`);
    expect(await exchangeOf(made)).to.be.oneOf(['in-band', 'channel']);
    for (const node of ['a', 'b'] as const) await untilByName(node);
  });

  it('in-band with a node that has none, both ways', async () => {
    await lab.configure('--exchange', 'channel', '--set', 'b:exchange=in-band');
    await Promise.all([lab.reload('a'), lab.reload('b')]);
    for (const from of ['a', 'b'] as const) {
      expect(await talk(conversation(PORT, from))).to.equal('in-band');
    }
    await lab.configure('--exchange', 'channel');
    await Promise.all([lab.reload('a'), lab.reload('b')]);
    for (const node of ['a', 'b'] as const) await untilByName(node);
  });

  it("in-band, and no later, where the agents' port is closed: what is dropped there keeps a connection no longer than what is rejected", async function () {
    this.timeout(240_000);
    /** How long the first three were held by a new agent on the other node, ms. */
    const holds = async (how: string): Promise<number[]> => {
      const held: number[] = [];
      await under(
        'b',
        `table inet t { chain c { type filter hook input priority 0; tcp dport 9466 ${how}; tcp sport 9466 drop; } }`,
        async () => {
          await lab.kill('b');
          await lab.restart('b');
          for (let i = 0; i < 3; i++) {
            const made = conversation(PORT);
            expect(await talk(made)).to.equal('in-band');
            held.push((await flowOf('a', made)).holdMs ?? Infinity);
          }
        },
      );
      for (const node of ['a', 'b'] as const) await untilByName(node, 90_000);
      return held;
    };
    // A channel that is rejected is over at once, so these are what a handshake takes. Whoever waited for one that is dropped waits for seconds.
    const rejected = await holds('reject with tcp reset');
    const dropped = await holds('drop');
    expect(Math.max(...dropped), JSON.stringify({ rejected, dropped })).to.be.below(3 * Math.max(...rejected));
  });
});
