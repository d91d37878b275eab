// SPDX-License-Identifier: Apache-2.0
/** strict and permissive, a peer in the mesh and one outside, as client and as server, over IPv4 and IPv6: each with the wire recorded. */
import { expect } from 'chai';
import { lab, type Capture } from '../harness/index.js';
import type { Program } from '../harness/program.js';
import {
  FAMILIES,
  converse,
  expectNotMade,
  expectPlaintext,
  expectRefusedByServer,
  expectSecured,
  flowOf,
  servers,
  type Conversation,
  type Family,
} from './support.js';

const PORT = 7100;

interface Outcome {
  conversation: Conversation;
  said: string;
  /** what node a's server had said before */
  before: string;
}

for (const policy of ['strict', 'permissive'] as const) {
  describe(`policy ${policy}`, () => {
    const outcomes = new Map<string, Outcome>();
    let capture: Capture;
    let server: Program;
    /** in plaintext before this suite */
    let counted = 0;
    const name = (peer: 'b' | 'c', role: string, family: Family): string => `${peer} ${role} ${family}`;
    const outcome = (peer: 'b' | 'c', role: string, family: Family): Outcome => outcomes.get(name(peer, role, family))!;

    before(async () => {
      await lab.need({ policy });
      counted = (await lab.status('a')).gate.plaintextFlows ?? 0;
      server = (await servers('a', [PORT])).get(PORT)!;
      await servers('b', [PORT]);
      await servers('c', [PORT]);
      const sniffer = await lab.sniff();
      for (const peer of ['b', 'c'] as const) {
        for (const family of FAMILIES) {
          for (const role of ['client', 'server'] as const) {
            const text = `text-${policy}-${peer}-${role}-${family}`;
            const [from, to] = role === 'client' ? (['a', peer] as const) : ([peer, 'a'] as const);
            const conversation = { from, to, family, port: PORT, text };
            const before = server.stdout;
            outcomes.set(name(peer, role, family), { conversation, said: await converse(conversation), before });
          }
        }
      }
      capture = await sniffer.stop();
    });

    for (const family of FAMILIES) {
      for (const role of ['client', 'server'] as const) {
        it(`${family}: a peer in the mesh is secured, we are the ${role}`, async () => {
          const { conversation, said } = outcome('b', role, family);
          expectSecured(capture, conversation, said);
          for (const node of ['a', 'b'] as const) {
            expect(await flowOf(node, conversation)).to.include({ secured: true, kernelUlp: 'tls' });
          }
        });
      }

      it(`${family}: a peer outside is ${policy === 'strict' ? 'refused' : 'in plaintext'}, we are the client`, async () => {
        const { conversation, said } = outcome('c', 'client', family);
        if (policy === 'strict') expectNotMade(capture, conversation, said);
        else expectPlaintext(capture, conversation, said);
        const flow = await flowOf('a', conversation);
        if (policy === 'strict') {
          expect(flow).to.include({ state: 'refused', code: 'TLSHUB_PEER_UNKNOWN' });
          expect(flow.pid, 'who was refused').to.be.a('number');
          expect(flow.reason).to.include('not in the mapping (policy strict)');
        }
        expect(flow).to.include({ secured: false, kernelUlp: null });
      });

      it(`${family}: a peer outside is ${policy === 'strict' ? 'refused' : 'in plaintext'}, we are the server`, async () => {
        const { conversation, said, before } = outcome('c', 'server', family);
        if (policy === 'strict') expectRefusedByServer(capture, conversation, said, server, before);
        else expectPlaintext(capture, conversation, said);
        const flow = await flowOf('a', conversation);
        if (policy === 'strict') expect(flow.state).to.equal('refused');
        expect(flow).to.include({ secured: false, kernelUlp: null });
      });
    }

    it('what went in plaintext was counted', async () => {
      const { gate } = await lab.status('a');
      expect((gate.plaintextFlows ?? 0) - counted).to.equal(policy === 'strict' ? 0 : 4);
    });
  });
}
