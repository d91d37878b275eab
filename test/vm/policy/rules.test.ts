// SPDX-License-Identifier: Apache-2.0
/** policy_exclude, policy_require and policy_same_node on real connections, with the wire recorded. */
import { expect } from 'chai';
import { lab, type Capture } from '../harness/index.js';
import type { Program } from '../harness/program.js';
import {
  ADDRESSES,
  FAMILIES,
  converse,
  expectNotMade,
  expectPlaintext,
  expectRefusedByServer,
  expectSecured,
  flowOf,
  servers,
  type Conversation,
} from './support.js';

/** A suite of conversations under one configuration: they are held one after the other while the wire is recorded, then judged. */
function under(
  title: string,
  options: Parameters<typeof lab.up>[0],
  ports: readonly number[],
  tests: (judge: (title: string, plan: Omit<Conversation, 'text'>, check: Check) => void) => void,
): void {
  describe(title, () => {
    const plans: Omit<Conversation, 'text'>[] = [];
    const said = new Map<Omit<Conversation, 'text'>, { conversation: Conversation; said: string; before: string }>();
    const running = new Map<string, Map<number, Program>>();
    let capture: Capture;

    before(async () => {
      await lab.need(options);
      for (const node of ['a', 'b', 'c'] as const) running.set(node, await servers(node, ports));
      const sniffer = await lab.sniff();
      for (const plan of plans) {
        const conversation = { ...plan, text: `text-${plans.indexOf(plan)}-${plan.port}-${plan.family}` };
        const before = running.get(plan.to)!.get(plan.port)!.stdout;
        said.set(plan, { conversation, said: await converse(conversation), before });
      }
      capture = await sniffer.stop();
    });

    tests((name, plan, check) => {
      plans.push(plan);
      it(name, () => {
        const { conversation, said: text, before } = said.get(plan)!;
        return check({ capture, conversation, said: text, before, server: running.get(plan.to)!.get(plan.port)! });
      });
    });
  });
}

interface Judged {
  capture: Capture;
  conversation: Conversation;
  said: string;
  before: string;
  server: Program;
}
type Check = (judged: Judged) => Promise<void> | void;

const plaintext: Check = async ({ capture, conversation, said }) => {
  expectPlaintext(capture, conversation, said);
  for (const node of [conversation.from, conversation.to]) {
    if (node !== 'c') expect(await flowOf(node, conversation)).to.include({ secured: false, kernelUlp: null });
  }
};
const secured: Check = async ({ capture, conversation, said }) => {
  expectSecured(capture, conversation, said);
  for (const node of ['a', 'b'] as const) expect(await flowOf(node, conversation)).to.include({ secured: true });
};
const notMade: Check = ({ capture, conversation, said }) => expectNotMade(capture, conversation, said);
const refusedByServer: Check = ({ capture, conversation, said, server, before }) =>
  expectRefusedByServer(capture, conversation, said, server, before);

const EXCLUDED = 7201;
const SECURED = 7202;
const EXCLUDED_AT_B = 7203;
const METRICS = 7204;
const REQUIRED = 7205;
const HERE = 7206;

under(
  'rules under strict',
  {
    policy: 'strict',
    set: {
      policy_exclude: `:${EXCLUDED}, ${ADDRESSES.IPv4.b}:${EXCLUDED_AT_B} [fd77::2]:${EXCLUDED_AT_B}, 10.77.0.1:${METRICS} [fd77::1]:${METRICS}`,
      policy_require: `:${REQUIRED}`,
      policy_same_node: 'plaintext',
    },
  },
  [EXCLUDED, SECURED, EXCLUDED_AT_B, METRICS, REQUIRED, HERE],
  (judge) => {
    for (const family of FAMILIES) {
      judge(`${family}: a port is excluded`, { from: 'a', to: 'b', family, port: EXCLUDED }, plaintext);
      judge(`${family}: the others are not`, { from: 'a', to: 'b', family, port: SECURED }, secured);
      judge(`${family}: a port at an address`, { from: 'a', to: 'b', family, port: EXCLUDED_AT_B }, plaintext);
      judge(`${family}: not at another`, { from: 'b', to: 'a', family, port: EXCLUDED_AT_B }, secured);
      judge(
        `${family}: a stranger may fetch what is excluded here`,
        { from: 'c', to: 'a', family, port: METRICS },
        plaintext,
      );
      judge(`${family}: nothing else`, { from: 'c', to: 'a', family, port: SECURED }, refusedByServer);
      judge(`${family}: nor do we go to it`, { from: 'a', to: 'c', family, port: METRICS }, notMade);
    }

    for (const family of FAMILIES) {
      it(`${family}: inside one node in plaintext, unless required`, async () => {
        const text = `inside-${family}`;
        const plan = { from: 'a', to: 'a', family, text } as const;
        for (const [port, wanted] of [
          [HERE, false],
          [REQUIRED, true],
        ] as const) {
          expect(await converse({ ...plan, port })).to.include(`read ${text}\n`);
          const flows = (await lab.flows('a')).filter(
            ({ dport, src, dst }) => dport === port && src === dst && src === ADDRESSES[family].a,
          );
          expect(flows.map(({ role }) => role)).to.have.members(['active', 'passive']);
          for (const flow of flows) expect(flow).to.include({ secured: wanted, kernelUlp: wanted ? 'tls' : null });
        }
      });
    }
  },
);

under(
  'rules under permissive',
  {
    policy: 'permissive',
    set: { policy_require: `10.77.0.3:${REQUIRED} [fd77::3]:${REQUIRED} 10.77.0.1:${SECURED} [fd77::1]:${SECURED}` },
  },
  [EXCLUDED, SECURED, REQUIRED],
  (judge) => {
    for (const family of FAMILIES) {
      judge(
        `${family}: what is required is not sent to a stranger`,
        { from: 'a', to: 'c', family, port: REQUIRED },
        notMade,
      );
      judge(`${family}: nor taken from one`, { from: 'c', to: 'a', family, port: SECURED }, refusedByServer);
      judge(`${family}: anything else is in plaintext`, { from: 'a', to: 'c', family, port: EXCLUDED }, plaintext);
      judge(`${family}: in both directions`, { from: 'c', to: 'a', family, port: EXCLUDED }, plaintext);
    }
  },
);
