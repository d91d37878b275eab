// SPDX-License-Identifier: Apache-2.0
/**
 * The documents as a whole: all of them are reached from README, links lead somewhere, the Chinese ones are written as Chinese is, and have the
 * structure of their English twins.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
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

/** Headings as GitHub names them in links; a name that comes again has a number. */
function anchorsOf(file: string): Set<string> {
  const text = readFileSync(file, 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  const anchors = new Set([...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id!));
  for (const [, title = ''] of text.matchAll(/^#+ (.*)$/gm)) {
    const name = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
    let free = name;
    for (let again = 1; anchors.has(free); again++) free = `${name}-${again}`;
    anchors.add(free);
  }
  return anchors;
}

interface Structure {
  headings: number[];
  /** rows and columns of each table */
  tables: string[];
  items: number;
  code: string[];
}

/** Code without what is language in it: comments, and drawings, of which the number of lines is left. */
function codeWithoutWords(fence: string, lines: string[]): string {
  const text = lines.map((line) => line.replace(/(?<!\S)(#|\/\/).*$/, '').trimEnd()).join('\n');
  return fence === '' ? `${lines.length} lines` : `${fence}\n${text}`;
}

/** What a document and its twin have in common. */
function structureOf(file: string): Structure {
  const structure: Structure = { headings: [], tables: [], items: 0, code: [] };
  const lines = readFileSync(file, 'utf8').split('\n');
  for (let at = 0; at < lines.length; at++) {
    const upTo = (end: (line: string) => boolean): string[] => {
      const from = at;
      while (at < lines.length && !end(lines[at]!)) at++;
      return lines.slice(from, at);
    };
    const line = lines[at]!;
    const fence = /^```(\w*)/.exec(line)?.[1];
    if (fence !== undefined) {
      at++;
      structure.code.push(
        codeWithoutWords(
          fence,
          upTo((each) => each.startsWith('```')),
        ),
      );
    } else if (/^ {4}\S/.test(line)) {
      const block = upTo((each) => !each.startsWith('    '));
      structure.code.push(`${block.length} lines indented`);
      at--;
    } else if (line.startsWith('|')) {
      const rows = upTo((each) => !each.startsWith('|'));
      structure.tables.push(`${rows.length} x ${rows[1]!.split('|').length - 2}`);
      at--;
    } else if (/^(-|\d+\.) /.test(line)) structure.items++;
    else if (/^#+ /.test(line)) structure.headings.push(line.indexOf(' '));
  }
  return structure;
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
        expect(line, file).to.not.match(/[\u4e00-\u9fff][,;:()!?.]|[,;:()!?.][\u4e00-\u9fff]/);
        // A key provider is 密钥提供者, to hold is 扣住, an agent 代理, a helper 辅助进程, the gate 闸门.
        expect(line, file).to.not.match(/提供方|供应者|供应商|\bproviders?\b|(?<!密钥)提供者/);
        expect(line, file).to.not.match(/扣留|拦住|被持有的连接|守护进程|帮助进程|\bhelpers?\b|\bagents?\b|阀门|门控/);
      }
    });
  }

  it('has links that lead to files, and to headings that are there', () => {
    const files = [...chinese, ...markdown('docs'), 'README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md'];
    const broken = files.flatMap((file) => {
      const text = readFileSync(file, 'utf8').replace(/^```[\s\S]*?^```/gm, '');
      return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
        if (/^[a-z]+:/.test(link)) return [];
        const [target = '', anchor] = link.split('#');
        const path = target === '' ? file : normalize(join(dirname(file), target));
        const found = existsSync(path) && (anchor === undefined || anchorsOf(path).has(decodeURIComponent(anchor)));
        return found ? [] : [`${file}: ${link}`];
      });
    });
    expect(broken).to.deep.equal([]);
  });

  const twins = [
    ['README.md', 'README.zh-CN.md'],
    ...markdown('docs/zh').map((file) => [join('docs', basename(file)), file]),
  ] as [string, string][];
  for (const [english, twin] of twins) {
    it(`${twin} has the structure of ${english}, and each names the other`, () => {
      expect(linksOf(english), english).to.include(twin);
      expect(linksOf(twin), twin).to.include(english);
      expect(structureOf(twin)).to.deep.equal(structureOf(english));
    });
  }

  it('link within their own language where there is a twin', () => {
    const named = new Set(markdown('docs/zh').map((file) => basename(file)));
    const strays = chinese.flatMap((file) =>
      linksOf(file)
        .filter((target) => dirname(target) === 'docs' && named.has(basename(target)))
        .filter((target) => basename(target) !== basename(file))
        .map((target) => `${file}: ${target}`),
    );
    expect(strays).to.deep.equal([]);
  });
});
