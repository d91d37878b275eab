// SPDX-License-Identifier: Apache-2.0
/** docs/COMPATIBILITY.md and its Chinese twin: from the results of runs (test/compat/results.json), never from anything else. */
import type { Result, Run } from '../test/compat/results.js';
import type { Said, Situation } from '../test/compat/situation.js';
import type { Kind } from '../test/compat/situations/all.js';

export type Language = keyof Said;

interface Words {
  head: (situations: number) => string;
  runs: string;
  counts: (same: number, known: number, open: number) => string;
  columns: string;
  same: string;
  differs: (where: string) => string;
  known: (where: string) => string;
  of: (tried: number, all: number) => string;
  differences: string;
  none: string;
}

const WORDS: Record<Language, Words> = {
  en: {
    head: (situations) => `# Compatibility

Made by \`npm run compat\` from what it has seen (test/compat/results.json); not written by hand. [中文](zh/COMPATIBILITY.md)

${situations} situations with programs of Debian 12, none of them changed or told of anything. Each runs twice at the same time, with the same files:
**plain**, where no agent knows of it, and **secured**, captured on both nodes. A server is on node b, the client on node a; a proxy stands on node b
before a server on node a, so that both of its connections are secured. Compared are the exit status, standard output and standard error of each client,
and what was saved; ports, paths and dates are left out, and of tools that measure all but their counts. The agents are asked for each connection
of the secured run: the kernel must name \`tls\` as its ULP, and of the plain run they must know nothing. Software emulation; deadlines of the
agents are long (30 s), so that a slow machine is no difference.`,
    runs: '| Kernel | Mode | Family | Agent | Date | Result |\n| --- | --- | --- | --- | --- | --- |',
    counts: (same, known, open) =>
      `${same} as plain, ${known} differ as listed below${open > 0 ? `, **${open} differ**` : ''}`,
    columns:
      '| Situation | Programs | What it does | Plain: status; output | Secured | Verdict |\n| --- | --- | --- | --- | --- | --- |',
    same: 'as plain',
    differs: (where) => `**differs** (${where})`,
    known: (where) => `[differs](#differences) (${where})`,
    of: (tried, all) => `, ${tried} of ${all} runs`,
    differences: 'Differences',
    none: 'None.',
  },
  zh: {
    head: (situations) => `# 兼容性

由 \`npm run compat\` 根据实际运行结果（test/compat/results.json）生成，不是手写的。[English](../COMPATIBILITY.md)

共 ${situations} 个场景，程序均来自 Debian 12，未作任何修改，也未被告知任何事情。每个场景用相同的文件同时运行两次：**明文**（没有代理知道它）和**加密**
（两个节点上都被捕获）。服务器在节点 b，客户端在节点 a；代理类程序在节点 b，其后端在节点 a，因此它的两侧连接都被加密。比较的是每个客户端的退出状态、标准输出、
标准错误以及保存的文件；端口、路径和日期不计，测量类工具只比较其计数。对加密运行的每条连接都会询问代理：内核给出的 ULP 必须是 \`tls\`；明文运行的连接代理必须一无所知。
运行在软件模拟的虚拟机中；代理的期限放长（30 秒），因此机器慢不算差异。`,
    runs: '| 内核 | 模式 | 地址族 | 代理版本 | 日期 | 结果 |\n| --- | --- | --- | --- | --- | --- |',
    counts: (same, known, open) =>
      `${same} 个与明文相同，${known} 个有下列差异${open > 0 ? `，**${open} 个不同**` : ''}`,
    columns: '| 场景 | 程序 | 内容 | 明文：状态；输出 | 加密 | 结论 |\n| --- | --- | --- | --- | --- | --- |',
    same: '与明文相同',
    differs: (where) => `**不同**(${where})`,
    known: (where) => `[有差异](#差异)(${where})`,
    of: (tried, all) => `,${all} 次运行中的 ${tried} 次`,
    differences: '差异',
    none: '无。',
  },
};

const labelOf = ({ kernel, mode, family }: Run): string => `${kernel} ${mode} ${family}`;
const cell = (text: string): string => text.replace(/[|*<]/g, '\\$&').replace(/\n/g, ' ');
/** A situation that was run anew alone has its own. */
function datesOf({ results }: Run): string {
  const dates = results.map(({ date }) => date).sort();
  const [first, last] = [dates[0] ?? '', dates.at(-1) ?? ''];
  return first === last ? first : `${first} – ${last}`;
}

const count = (run: Run, verdict: Result['verdict']): number =>
  run.results.filter((result) => result.verdict === verdict).length;

function verdictOf(situation: Situation, runs: readonly Run[], words: Words): string {
  const tried = runs.flatMap((run) =>
    run.results.filter(({ name }) => name === situation.name).map((result) => ({ run, result })),
  );
  const where = (...verdicts: Result['verdict'][]): string =>
    tried
      .filter(({ result }) => verdicts.includes(result.verdict))
      .map(({ run }) => labelOf(run))
      .join(', ');
  const [open, known] = [where('differs', 'broken'), where('known')];
  if (open !== '') return words.differs(open);
  if (known !== '') return words.known(known);
  return words.same + (tried.length < runs.length ? words.of(tried.length, runs.length) : '');
}

/** @param runs at least one; the table tells how the situations ended in the first, and the verdict of all */
export function renderCompatibility(kinds: readonly Kind[], runs: readonly Run[], language: Language): string {
  const words = WORDS[language];
  const [first] = runs;
  if (first === undefined) throw new Error('nothing was run');
  const parts = [
    words.head(first.results.length),
    `${words.runs}\n${runs
      .map((run) => {
        const said = words.counts(
          count(run, 'same'),
          count(run, 'known'),
          count(run, 'differs') + count(run, 'broken'),
        );
        return `| ${run.release} | ${run.mode} | ${run.family} | ${run.version} | ${datesOf(run)} | ${said} |`;
      })
      .join('\n')}`,
  ];
  for (const { title, situations } of kinds) {
    const rows = situations.flatMap((situation) => {
      const result = first.results.find(({ name }) => name === situation.name);
      if (result === undefined) return [];
      const { versions, plain, secured } = result;
      const cells = [situation.name, versions, situation.does[language], plain || '–', secured || '–'].map(cell);
      return `| ${[...cells, verdictOf(situation, runs, words)].join(' | ')} |`;
    });
    if (rows.length > 0) parts.push(`## ${title[language]}`, `${words.columns}\n${rows.join('\n')}`);
  }
  const told = kinds
    .flatMap(({ situations }) => situations)
    .flatMap(({ name, differs }) => (differs === undefined ? [] : `- **${name}**: ${differs.reason[language]}`));
  parts.push(`## ${words.differences}`, told.length > 0 ? told.join('\n') : words.none);
  return `${parts.join('\n\n')}\n`;
}
