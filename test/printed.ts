// SPDX-License-Identifier: Apache-2.0
/** The commands that documents print, as they print them. */
import { readFileSync, readdirSync } from 'node:fs';

export interface Printed {
  file: string;
  /** 1-based, of its first line */
  line: number;
  /** as printed, with its comment and its continuations */
  text: string;
  /** without comment */
  command: string;
}

/** What the commands of the documents begin with; other indented text is configuration or output. */
const WORDS =
  /^(?:\w+=\S+ )?(?:npm|node|npx|tlshubctl|tlshub_bench|scripts\/|deploy\/|test\/|mkdir|cp|echo|curl|systemctl|docker|kubectl|helm|source|modprobe|mount|apt-get)\b/;

export function documents(): string[] {
  const markdown = (folder: string): string[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`.replace(/^\.\//, ''));
  return ['README.md', 'README.zh-CN.md', 'CONTRIBUTING.md', ...markdown('docs'), ...markdown('docs/zh')];
}

/** Of fenced blocks of shell, and of indented ones as far as they are commands. */
export function printedCommands(file: string): Printed[] {
  const found: Printed[] = [];
  let fenced = '';
  let open: Printed | undefined;
  const quotes = (text: string): number => text.split("'").length - 1;
  readFileSync(file, 'utf8')
    .split('\n')
    .forEach((text, at) => {
      const fence = /^```(\w*)/.exec(text);
      if (fence !== null) fenced = fenced === '' ? fence[1] || 'text' : '';
      if (fence !== null) return;
      if (open !== undefined) {
        open.text += `\n${text}`;
        open.command += `\n${text}`;
        if (quotes(open.command) % 2 === 0 && !text.endsWith('\\')) open = undefined;
        return;
      }
      const line = fenced === 'sh' ? text : fenced === '' && text.startsWith('    ') ? text.slice(4) : '';
      if (!WORDS.test(line)) return;
      const one: Printed = { file, line: at + 1, text: line, command: line.replace(/\s+#.*$/, '') };
      found.push(one);
      if (quotes(one.command) % 2 === 1 || line.endsWith('\\')) open = one;
    });
  return found;
}

/** A fenced block of shell: the one that has this in it. */
export function printedBlock(file: string, part: string): string {
  const blocks = readFileSync(file, 'utf8').match(/^```sh\n[\s\S]*?^```/gm) ?? [];
  const block = blocks.find((one) => one.includes(part));
  if (block === undefined) throw new Error(`${file} has no block of shell with ${part} in it`);
  return block.split('\n').slice(1, -1).join('\n');
}
