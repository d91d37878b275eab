// SPDX-License-Identifier: Apache-2.0
/**
 * Services: addresses that the client's node translates to a pod, which the mapping gives to the nodes behind them. The client's socket has the
 * service's address, the server's the pod's. Whoever answers has to be one of those nodes, and one of none gets no byte.
 */
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { DetailedFlowReport } from '../../../src/supervisor/flow/table.js';
import { inNode, knowEachOther } from '../harness/channel.js';
import { lab, waitFor, type Sniffer } from '../harness/index.js';
import { detailedFlows } from '../harness/mutual-tls.js';
import { TALKER, servers } from '../policy/support.js';

const PORT = 7410;
const MAPPING = '/tmp/services-mapping.conf';
const SECRET = 'tlshub-secret-service';
const PATIENCE = 30_000;

/** Addresses that are nobody's but a rule's. */
const ONE = { IPv4: '10.77.0.200', IPv6: 'fd77::200' };
const [BOTH, EMPTY, STRANGE] = ['10.77.0.201', '10.77.0.202', '10.77.0.203'];

const PODS = 'pod-a a 10.77.0.1 fd77::1\npod-b b 10.77.0.2 fd77::2\n';
const services = (one: string): string =>
  `${PODS}shop/one ${ONE.IPv4} ${ONE.IPv6} -> ${one}\nboth ${BOTH} -> pod-b @a\nempty ${EMPTY} ->\nstrange ${STRANGE} -> @elsewhere\n`;

/** What kube-proxy writes, as far as it matters here: all translated on the node of the client. */
const rules = (one: { v4: string; v6: string }): string => `
flush ruleset
table ip services {
  chain out {
    type nat hook output priority -100;
    ip daddr ${ONE.IPv4} dnat to ${one.v4};
    ip daddr { ${EMPTY}, ${STRANGE} } dnat to 10.77.0.2;
    ip daddr ${BOTH} dnat to numgen inc mod 2 map { 0 : 10.77.0.1, 1 : 10.77.0.2 };
  }
}
table ip6 services {
  chain out {
    type nat hook output priority -100;
    ip6 daddr ${ONE.IPv6} dnat to ${one.v6};
  }
}
`;
const ON_B = { v4: '10.77.0.2', v6: 'fd77::2' };
const ON_A = { v4: '10.77.0.1', v6: 'fd77::1' };

let said = 0;

interface Talk {
  text: string;
  stdout: string;
  /** as node a, where the client is, shows it */
  flow: DetailedFlowReport;
}

/** One connection of a program on node a to a service, and its flow when it has come to this. */
async function talk(address: string, isSo: (flow: DetailedFlowReport) => boolean): Promise<Talk> {
  const text = `${SECRET}-${++said}`;
  const known = new Set((await detailedFlows('a')).map(({ cookie }) => cookie));
  const { stdout } = await lab.exec('a', [TALKER, 'blocking', address, String(PORT), text]);
  let mine: DetailedFlowReport[] = [];
  const flow = await waitFor(
    async () => {
      mine = (await detailedFlows('a')).filter(({ cookie, dst }) => !known.has(cookie) && dst === address);
      return mine.find(isSo);
    },
    PATIENCE,
    () => `the flow to ${address}, of which the program said ${JSON.stringify(stdout)}: ${JSON.stringify(mine)}`,
  );
  return { text, stdout, flow };
}

async function expectAnswered(address: string): Promise<DetailedFlowReport> {
  const { text, stdout, flow } = await talk(address, ({ secured }) => secured);
  expect(stdout, JSON.stringify(flow)).to.include(`read ${text}\n`);
  return flow;
}

async function expectRefused(address: string): Promise<DetailedFlowReport> {
  const { stdout, flow } = await talk(address, ({ state }) => state === 'refused');
  expect(stdout, JSON.stringify(flow)).to.not.include('read ');
  return flow;
}

/** Under permissive, what is not in the mapping goes out in plaintext: a service that is must not, whatever is behind it. */
const WAYS = [
  { exchange: 'in-band', policy: 'strict' },
  { exchange: 'channel', policy: 'permissive' },
] as const;

for (const { exchange, policy } of WAYS) {
  describe(`a service, ${exchange}, policy ${policy}`, () => {
    let sniffer: Sniffer | undefined;

    const endpoints = async (one: string, at: { v4: string; v6: string }): Promise<void> => {
      writeFileSync(MAPPING, services(one));
      inNode('a', ['nft', '-f', '-'], rules(at));
      await Promise.all([lab.reload('a'), lab.reload('b')]);
    };

    before(async function () {
      this.timeout(120_000);
      writeFileSync(MAPPING, services('pod-b'));
      await lab.up({ exchange, policy, set: { pod_node_config: MAPPING } });
      if (exchange === 'channel') await knowEachOther(['a']);
      for (const node of ['a', 'b'] as const) await servers(node, [PORT]);
      inNode('a', ['nft', '-f', '-'], rules(ON_B));
      sniffer = await lab.sniff();
    });
    after('nothing but TLS was on the wire', async () => {
      const capture = await sniffer?.stop();
      inNode('a', ['nft', 'flush', 'ruleset']);
      await lab.down();
      if (capture === undefined) return;
      expect(capture.plaintextFrames, capture.describe()).to.equal(0);
      expect(capture.contains(SECRET), 'the secret is on the wire').to.equal(false);
    });

    for (const family of ['IPv4', 'IPv6'] as const) {
      it(`is secured to the node that answers, ${family}`, async () => {
        const { peerNode, pod, exchange: used } = await expectAnswered(ONE[family]);
        expect({ peerNode, pod, used }).to.deep.equal({ peerNode: 'b', pod: 'shop/one', used: exchange });
      });
    }

    it('may have two nodes behind it: each connection shows the one that answered', async () => {
      const flows: DetailedFlowReport[] = [];
      for (let i = 0; i < 6; i++) flows.push(await expectAnswered(BOTH));
      const nodes = flows.map(({ peerNode }) => peerNode);
      expect(nodes.filter((node) => node === 'a')).to.have.length(3);
      expect(nodes.filter((node) => node === 'b')).to.have.length(3);
    });

    it('is refused where the node that answers has no endpoint of it', async () => {
      const { code, reason } = await expectRefused(STRANGE);
      const expected =
        exchange === 'channel'
          ? { code: 'TLSHUB_CHANNEL_STRANGER', words: /node b, and the mapping has node elsewhere/ }
          : { code: 'TLSHUB_PEER_CERTIFICATE', words: /names \[b\], expected one of \[elsewhere\]/ };
      expect(code).to.equal(expected.code);
      expect(reason).to.match(expected.words);
    });

    it('is refused without an endpoint, though somebody would answer', async () => {
      const { code, reason } = await expectRefused(EMPTY);
      expect(code).to.equal('TLSHUB_PEER_UNKNOWN');
      expect(reason).to.equal(`${EMPTY} is service empty, which has no endpoint in the mapping`);
    });

    it('goes where its endpoints go, and is refused at the old one', async () => {
      await endpoints('@a', ON_B);
      await expectRefused(ONE.IPv4);
      await endpoints('@a', ON_A);
      expect((await expectAnswered(ONE.IPv4)).peerNode).to.equal('a');
      await endpoints('pod-b', ON_B);
      expect((await expectAnswered(ONE.IPv4)).peerNode).to.equal('b');
    });
  });
}
