/** BPF and user space decide the same: bpf/policy.bpf.h, run by BPF_PROG_TEST_RUN, beside src/policy/ on random rules, mappings and flows. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect } from 'chai';
import type { PodNodeMapping } from '../../../src/mapping/pod-node-mapping.js';
import { decide, type FlowAddresses, type DecidedClass, type Policy } from '../../../src/policy/decide.js';
import { meshForGate, policyForGate } from '../../../src/policy/for-gate.js';
import { RuleTable } from '../../../src/policy/rules.js';
import { Intent } from '../../../src/shared/kernel/abi.js';
import { parseAddress } from '../../../src/shared/net/address.js';
import { NODE, flow, world } from '../../unit/support/policies.js';
import { Random } from '../../unit/support/random.js';

const WORLDS = 160;
const FLOWS = 50;
/** enum tlshub_class */
const CLASSES: Record<number, DecidedClass> = { 1: 'mesh', 2: 'plaintext', 3: 'refused' };

function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(value, 4 * i));
  return bytes;
}

function policyBytes(policy: Policy): Buffer {
  const { policy: mode, sameNode, rules } = policyForGate(policy);
  return Buffer.concat([
    u32(Number(mode === 'permissive'), Number(sameNode === 'plaintext'), rules.length),
    ...rules.map(({ addr, prefix, port, rank }) => Buffer.concat([addr, u32(prefix, port, rank)])),
  ]);
}

function meshBytes(mapping: PodNodeMapping): Buffer {
  const mesh = meshForGate(mapping.entries(), NODE);
  const entries = mesh.map(({ addr, prefix, local }) => Buffer.concat([addr, u32(prefix, Number(local))]));
  return Buffer.concat([Buffer.from('M'), u32(mesh.length), ...entries]);
}

function flowBytes({ local, remote, lport, rport, role }: FlowAddresses): Buffer {
  const ports = Buffer.alloc(8);
  ports.writeUInt16LE(lport, 0);
  ports.writeUInt16LE(rport, 2);
  return Buffer.concat([local, remote, ports, u32(role === 'active' ? 1 : 2)]);
}

/** Runs the commands; the answers in order. */
function ask(commands: readonly Buffer[]): number[] {
  const { status, stdout, stderr } = spawnSync(
    resolve('build/bpf-test/classify'),
    [resolve('build/bpf-test/classify.bpf.o')],
    { input: Buffer.concat(commands), maxBuffer: 64 << 20 },
  );
  expect(status, stderr.toString()).to.equal(0);
  return Array.from({ length: stdout.length / 4 }, (_, i) => stdout.readUInt32LE(4 * i));
}

const UNSPECIFIED = parseAddress('::');

describe('policy in BPF and in user space', () => {
  it(`is the same on ${WORLDS * FLOWS} random flows under ${WORLDS} policies`, () => {
    const random = new Random(4_2026);
    const worlds = Array.from({ length: WORLDS }, () => ({
      ...world(random),
      flows: Array.from({ length: FLOWS }, () => flow(random)),
    }));
    const answers = ask(
      worlds.flatMap(({ mapping, policy, flows }) => [
        meshBytes(mapping),
        Buffer.concat([Buffer.from('P'), policyBytes(policy)]),
        Buffer.concat([Buffer.from('F'), u32(flows.length), ...flows.map(flowBytes)]),
      ]),
    );
    expect(answers.length).to.equal(WORLDS * FLOWS);
    const seen = { mesh: 0, plaintext: 0, refused: 0 };
    const by: Record<string, number> = {};
    worlds.forEach(({ mapping, policy, flows }, w) => {
      flows.forEach((each, f) => {
        const answer = answers[w * FLOWS + f]!;
        const ours = decide(each, mapping, policy);
        const about = `world ${w}, flow ${f}: ${JSON.stringify({ each, rules: [...policy.rules], ours })}`;
        expect(CLASSES[answer & 15], about).to.equal(ours.class);
        seen[ours.class]++;
        by[ours.rule] = (by[ours.rule] ?? 0) + 1;

        // A connect() without an own address is refused exactly if the whole flow is for its peer's sake.
        const early = decide({ ...each, role: 'active', local: UNSPECIFIED }, mapping, policy);
        const late = decide({ ...each, role: 'active' }, mapping, policy);
        const connect = CLASSES[(answer >> 4) & 15];
        if (connect === 'refused') expect(late.class, about).to.equal('refused');
        if (early.class === 'refused' && late.rule !== 'loopback') expect(connect, about).to.equal('refused');

        // Of unknown role: in plaintext only if it is so in both.
        const other = decide({ ...each, role: each.role === 'active' ? 'passive' : 'active' }, mapping, policy);
        const both = [ours.class, other.class];
        const unknown = both.includes('mesh') ? 'mesh' : both.includes('refused') ? 'refused' : 'plaintext';
        expect(CLASSES[(answer >> 8) & 15], about).to.equal(unknown);
      });
    });
    // The generator reaches everything often enough to mean something.
    for (const count of Object.values(seen)) expect(count, JSON.stringify(seen)).to.be.greaterThan(300);
    for (const name of ['loopback', 'exclude', 'require', 'same-node', 'mesh-peer', 'not-mesh']) {
      expect(by[name], JSON.stringify(by)).to.be.greaterThan(50);
    }
  });

  it('refuses by the marker what cannot work, and nothing else', () => {
    const classes = ['mesh', 'plaintext', 'refused'] as const;
    const { UNKNOWN, PLAINTEXT, IN_BAND, TLSHUB, REFUSED } = Intent;
    const markers = [UNKNOWN, PLAINTEXT, IN_BAND, TLSHUB, REFUSED, 77];
    /** the table of docs/POLICY.md; enum tlshub_reason */
    const expected = {
      mesh: [0, 9, 0, 11, 8, 11],
      plaintext: [0, 0, 10, 10, 8, 10],
      refused: [0, 0, 0, 0, 0, 0],
    };
    const pairs = classes.flatMap((_, i) => markers.map((peer) => u32(i + 1, peer)));
    const questions = Buffer.concat([Buffer.from('D'), u32(pairs.length), ...pairs]);
    const wants = (ours: number): Buffer => Buffer.concat([Buffer.from('W'), u32(ours)]);
    const answers = ask([wants(IN_BAND), questions, wants(TLSHUB), questions]);
    const inBand = classes.flatMap((name) => expected[name]);
    const swapped = classes.flatMap((name) => {
      const [none, plain, first, second, ...rest] = expected[name];
      return [none!, plain!, second!, first!, ...rest];
    });
    expect(answers).to.deep.equal([...inBand, ...swapped]);
  });

  it('changes at one moment: nobody sees the old policy with the new rules', () => {
    // Under a mixture of the two (strict, and no rules) this flow would be refused.
    const before: Policy = { policy: 'permissive', sameNode: 'secure', node: NODE, rules: RuleTable.parse([], []) };
    const after: Policy = { ...before, policy: 'strict', rules: RuleTable.parse(['10.9.0.0/16', ':53'], ['10.8.0.1']) };
    const about: FlowAddresses = {
      local: parseAddress('10.1.0.1'),
      remote: parseAddress('10.9.0.1'),
      lport: 40000,
      rport: 80,
      role: 'active',
    };
    const [asked = 0, kinds, ...answers] = ask([
      Buffer.concat([Buffer.from('M'), u32(0)]),
      Buffer.concat([Buffer.from('S'), policyBytes(before), policyBytes(after), flowBytes(about), u32(100)]),
    ]);
    expect(asked).to.be.greaterThan(100);
    expect(answers.map((answer) => CLASSES[answer & 15])).to.deep.equal(
      Array.from({ length: kinds! }, () => 'plaintext'),
    );
  });
});
