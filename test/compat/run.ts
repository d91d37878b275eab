// SPDX-License-Identifier: Apache-2.0
/**
 * `node build/test/compat/run.js OUT [--mode M] [--kernel K] [--only RE] [--ipv6] [--plain]`, in the virtual machine: runs the situations and
 * leaves OUT/run.json. `--plain` runs them without agents, on any machine where `scripts/lab up --bare` works: to write situations.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { lab } from '../vm/harness/index.js';
import { PATIENT } from '../vm/unnoticed/support.js';
import { measureSpeed } from '../speed.js';
import { makeWorld } from './content.js';
import type { Judgement, Verdict } from './compare.js';
import { judge } from './judge.js';
import type { Result, Run } from './results.js';
import { SITUATIONS } from './situations/all.js';
import type { Situation } from './situation.js';

const WORDS: Record<Verdict, string> = {
  same: 'as plain',
  known: 'differs, known',
  differs: 'DIFFERS',
  broken: 'BROKEN',
};

const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** Node.js is the one that this runs on, wherever it was put. */
const NODE = 'nodejs';

/** Versions of Debian packages, without what Debian counts of its own. */
function versions(packages: readonly string[]): Map<string, string> {
  const format = '${Package} ${Version}\n';
  const names = [...new Set(packages)].filter((name) => name !== NODE);
  const list = `${execFileSync('dpkg-query', ['-W', '-f', format, ...names], { encoding: 'utf8' })}${NODE} ${process.versions.node}`;
  const upstream = (version: string): string =>
    version
      .replace(/^\d+:/, '')
      .replace(/-[^-]*$/, '')
      .replace(/[+~].*$/, '');
  return new Map(
    list
      .trim()
      .split('\n')
      .map((line) => line.split(' ') as [string, string])
      .map(([name, version]) => [name, upstream(version)]),
  );
}

function table(results: readonly Result[]): string {
  const rows = [
    ['situation', 'programs', 'what it does', 'plain', 'secured', 'verdict'],
    ...results.map(({ name, versions: programs, plain, secured, verdict }) => [
      name,
      programs,
      SITUATIONS.find((situation) => situation.name === name)?.does.en ?? '',
      plain,
      secured,
      WORDS[verdict],
    ]),
  ];
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map((row) =>
      row
        .map((text, i) => text.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    mode: { type: 'string', default: 'openssl' },
    kernel: { type: 'string', default: '' },
    only: { type: 'string', default: '' },
    ipv6: { type: 'boolean', default: false },
    plain: { type: 'boolean', default: false },
  },
});
const out = positionals[0];
if (out === undefined) throw new Error('where are the results to go?');
mkdirSync(out, { recursive: true });
process.env.TEST_MACHINE = values.plain ? 'host' : 'vm';
measureSpeed();

const family = values.ipv6 ? 'IPv6' : 'IPv4';
const wanted = new RegExp(values.only, 'i');
const chosen = SITUATIONS.map((situation, number): [Situation, number] => [situation, number]).filter(
  ([{ name, ipv4Only }]) => wanted.test(name) && (family === 'IPv4' || ipv4Only !== true),
);
const known = versions(chosen.flatMap(([{ packages }]) => packages));
makeWorld();
await lab.up(values.plain ? { bare: true } : { mode: values.mode, ...PATIENT });

const date = new Date().toISOString().slice(0, 10);
const results: Result[] = [];
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const run: Run = { kernel: values.kernel, release: release(), mode: values.mode, family, version, results };
for (const [situation, number] of chosen) {
  const began = performance.now();
  const judgement: Judgement = await judge(situation, number, { family, plainOnly: values.plain, out });
  const { verdict, detail } = judgement;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  print(
    `${WORDS[verdict].padEnd(14)} ${seconds.padStart(6)} s  ${situation.name}${detail === '' ? '' : `\n    ${detail.replaceAll('\n', '\n    ')}`}`,
  );
  const programs = situation.packages.map((name) => `${name} ${known.get(name) ?? '?'}`).join(', ');
  results.push({ name: situation.name, versions: programs, date, ...judgement });
  // Each time: what was seen stays, whatever becomes of the machine.
  writeFileSync(join(out, 'run.json'), JSON.stringify(run));
}
await lab.down();

const count = (verdict: Verdict): number => results.filter((result) => result.verdict === verdict).length;
print(`\n${table(results)}\n`);
print(
  `${results.length} situations: ${count('same')} as plain, ${count('known')} differ as known, ${count('differs')} differ, ${count('broken')} broken`,
);
process.exitCode = count('differs') + count('broken') === 0 && results.length > 0 ? 0 : 1;
