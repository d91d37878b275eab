// SPDX-License-Identifier: Apache-2.0
/** The documents as a whole: all of them are reached from README, and the Chinese ones are written as Chinese is. */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect } from 'chai';

const markdown = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));

/** Files that a document links to, by their paths in the checkout. */
function linksOf(file: string): string[] {
  const text = readFileSync(file, 'utf8').replace(/```[\s\S]*?```/g, '');
  return [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => normalize(join(dirname(file), target)));
}

/** Without code, which is the same in every language, and without where links lead. */
function prose(file: string): string[] {
  return readFileSync(file, 'utf8')
    .replace(/^```[\s\S]*?^```/gm, '')
    .replace(/^ {4}.*$/gm, '')
    .replace(/`[^`\n]*`/g, '`')
    .replace(/\]\([^)]*\)/g, ']')
    .split('\n');
}

describe('the documents', () => {
  it('are all reached from README', () => {
    const reached = new Set(['README.md']);
    for (const file of reached) {
      if (!file.endsWith('.md')) continue;
      for (const target of linksOf(file)) reached.add(target);
    }
    const all = [
      ...markdown('docs'),
      ...markdown('docs/zh'),
      'README.zh-CN.md',
      'CONTRIBUTING.md',
      'CHANGELOG.md',
      'SECURITY.md',
    ];
    expect(all.filter((file) => !reached.has(file))).to.deep.equal([]);
  });

  const chinese = ['README.zh-CN.md', ...markdown('docs/zh')];
  for (const file of chinese) {
    it(`${file} has Chinese punctuation, and one word for each thing`, () => {
      for (const line of prose(file)) {
        expect(line, file).to.not.match(/[\u4e00-\u9fff][,;:()!?]|[,;:()!?][\u4e00-\u9fff]/);
        // A key provider is 密钥提供者.
        expect(line, file).to.not.match(/提供方|供应者|供应商|\bproviders?\b|(?<!密钥)提供者/);
      }
    });
  }
});
