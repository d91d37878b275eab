// SPDX-License-Identifier: Apache-2.0
/** The marker between two agents: what it says, what it refuses at once, and that nothing depends on it where somebody takes it away. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, type Capture } from '../harness/index.js';
import { FAMILIES, converse, flowOf, onWire, servers, type Conversation } from './support.js';

const PORT = 7300;
/** Excluded by node b's rules only. */
const DIFFERS = 7301;
const OBJECT = resolve('build/bpf-test/middlebox.bpf.o');

/** A device behind node a's port of the bridge: `strip` or `drop` (test/bpf/middlebox.bpf.c), or none. */
function device(section: 'strip' | 'drop' | undefined): void {
  const tc = (...args: string[]): void => {
    execFileSync('nsenter', ['--net=/run/netns/tlshub-net', 'tc', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  };
  if (section === undefined) {
    tc('qdisc', 'del', 'dev', 'va', 'clsact');
    return;
  }
  tc('qdisc', 'add', 'dev', 'va', 'clsact');
  for (const hook of ['ingress', 'egress']) {
    tc('filter', 'add', 'dev', 'va', hook, 'bpf', 'da', 'obj', OBJECT, 'sec', section);
  }
}

describe('the marker', () => {
  let number = 0;
  const plan = (from: 'a' | 'b', port: number, family: Conversation['family'] = 'IPv4'): Conversation => ({
    from,
    to: from === 'a' ? 'b' : 'a',
    family,
    port,
    text: `text-${++number}-of-the-marker`,
  });
  const recorded = async (conversation: Conversation): Promise<{ said: string; capture: Capture }> => {
    const sniffer = await lab.sniff();
    const said = await converse(conversation);
    return { said, capture: await sniffer.stop() };
  };

  before(async () => {
    await lab.need({ policy: 'permissive', set: { 'b:policy_exclude': `:${DIFFERS}` } });
    for (const node of ['a', 'b'] as const) await servers(node, [PORT, DIFFERS]);
  });

  for (const family of FAMILIES) {
    it(`${family}: tells both sides that the other is an agent, and how it secures`, async () => {
      const conversation = plan('a', PORT, family);
      expect(await converse(conversation)).to.include(`read ${conversation.text}\n`);
      for (const node of ['a', 'b'] as const) {
        expect(await flowOf(node, conversation)).to.include({ secured: true, peerMarker: 'in-band TLS' });
      }
    });
  }

  it('is not written to strangers', async () => {
    await servers('c', [PORT]);
    const conversation = { ...plan('a', PORT), to: 'c' as const };
    const { said, capture } = await recorded(conversation);
    expect(said).to.include('read ');
    expect(onWire(capture, conversation).sent).to.equal(conversation.text);
    expect(capture.contains(Buffer.from([254, 6, 0x54, 0x4c]))).to.equal(false);
  });

  for (const [from, secures, leaves] of [
    ['a', 'a', 'b'],
    ['b', 'a', 'b'],
  ] as const) {
    it(`refuses at once what one side secures and the other does not, ${from} connects`, async () => {
      const conversation = plan(from, DIFFERS);
      const { said, capture } = await recorded(conversation);
      expect(said).to.not.include('read');
      expect(capture.contains(conversation.text), 'the text is on the wire').to.equal(false);
      expect(onWire(capture, conversation).payloadFrames).to.equal(0);
      const [one, other] = [await flowOf(secures, conversation), await flowOf(leaves, conversation)];
      expect(one).to.include({ state: 'refused', code: 'TLSHUB_GATE_REFUSED', peerMarker: 'plaintext' });
      expect(one.reason).to.include('policies of the two nodes differ');
      expect(other).to.include({ state: 'refused', code: 'TLSHUB_GATE_REFUSED', peerMarker: 'in-band TLS' });
      expect(other.reason).to.include('it secures this connection');
    });
  }

  for (const section of ['strip', 'drop'] as const) {
    it(`does without where a device on the way ${section === 'strip' ? 'strips it' : 'drops SYNs that have it'}`, async () => {
      device(section);
      try {
        for (const family of FAMILIES) {
          for (const from of ['a', 'b'] as const) {
            const conversation = plan(from, PORT, family);
            const { said, capture } = await recorded(conversation);
            expect(said).to.include(`read ${conversation.text}\n`);
            expect(onWire(capture, conversation).plaintextFrames, capture.describe()).to.equal(0);
            for (const node of ['a', 'b'] as const) {
              expect(await flowOf(node, conversation)).to.include({ secured: true, peerMarker: null });
            }
          }
        }
      } finally {
        device(undefined);
      }
    });
  }

  it('never lets plaintext through, also where nobody can read it: a side that secures refuses', async () => {
    device('strip');
    try {
      const conversation = plan('a', DIFFERS);
      const { said, capture } = await recorded(conversation);
      expect(said).to.not.include('read');
      expect(capture.contains(conversation.text)).to.equal(false);
      const flow = await flowOf('a', conversation);
      expect(flow).to.include({ state: 'refused', secured: false, peerMarker: null });
    } finally {
      device(undefined);
    }
  });
});
