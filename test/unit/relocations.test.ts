// SPDX-License-Identifier: Apache-2.0
/** docs/LIBBPF_COMPATIBILITY.md names what the built BPF objects have relocated, probe.cc's items, and what programs are attached to; and nothing else. */
import { readFileSync, readdirSync } from 'node:fs';
import { expect } from 'chai';
import { coreRelocations, type Relocation } from '../relocations.js';

const FILES = ['docs/LIBBPF_COMPATIBILITY.md', 'docs/zh/LIBBPF_COMPATIBILITY.md'];
const OBJECTS = ['dist/bpf/tlshub.bpf.o', 'dist/bpf/sleep.bpf.o'];

/** What stands in code in a text. */
const codeIn = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);

/** Tables of a document, as cells by row, without their heads. */
function tablesOf(file: string): string[][][] {
  const blocks = readFileSync(file, 'utf8').match(/(?:^\|.*\n)+/gm) ?? [];
  return blocks.map((block) =>
    block
      .trim()
      .split('\n')
      .slice(2)
      .map((line) => line.slice(1, -1).split('|')),
  );
}

/** The fields by type, of the table that has this type in its first column. */
function fieldsOf(file: string): Map<string, Set<string>> {
  const table = tablesOf(file).find((rows) => rows.some(([first = '']) => codeIn(first).includes('tls_context')))!;
  const fields = new Map<string, Set<string>>();
  for (const [types = '', names = ''] of table)
    for (const type of codeIn(types)) {
      const parts = codeIn(names).flatMap((name) => name.split('.'));
      fields.set(type, new Set([...(fields.get(type) ?? []), ...parts]));
    }
  return fields;
}

describe('docs/LIBBPF_COMPATIBILITY.md', () => {
  let found: Relocation[];
  before(() => {
    found = OBJECTS.flatMap(coreRelocations);
    expect(found.length).to.be.above(100);
  });

  for (const file of FILES) {
    it(`${file} has each kernel type and field that the objects read`, () => {
      const fields = fieldsOf(file);
      expect([...fields.keys()].sort()).to.deep.equal([...new Set(found.map(({ type }) => type))].sort());
      for (const { type, path } of found) expect([...fields.get(type)!], type).to.include.members(path);
      const declared = readFileSync('bpf/kernel.h', 'utf8');
      for (const name of [...fields.values()].flatMap((names) => [...names]))
        expect(declared, `bpf/kernel.h declares ${name}`).to.match(new RegExp(`\\b${name}\\b`));
    });

    it(`${file} says of each field that is asked for first where kernels differ`, () => {
      const asked = found.filter(({ asks }) => asks).map(({ type, path }) => [type, ...path].join('.'));
      const table = tablesOf(file).find((rows) => rows.some(([first = '']) => codeIn(first).includes('file.f_count')))!;
      expect(table.flatMap(([first = '']) => codeIn(first)).sort()).to.deep.equal([...new Set(asked)].sort());
    });

    it(`${file} has each item of tlshubctl check, in its order`, () => {
      const probe = readFileSync('native/domain/probe.cc', 'utf8');
      const list = probe.slice(probe.indexOf('std::vector<ProbeResult> probe()'));
      const elsewhere: Record<string, string> = { 'duplication()': 'pidfd_getfd', 'sockDestroy()': 'tcp_diag' };
      const items = [
        ...list.matchAll(
          /results\.push_back\(\s*(?:(?:answer|programType|ktls|note)\(\s*"([^"]+)"|filesystem\([^"]*"[^"]*"[^"]*"([^"]+)"|(\w+\(\)))/g,
        ),
      ].map(([, name, mount, call]) => name ?? mount ?? elsewhere[call!]);
      expect(items).to.have.length((list.match(/results\.push_back/g) ?? []).length);
      const tables = tablesOf(file).slice(-2).flat();
      const named = tables.map(([first = '']) => codeIn(first)[0]);
      expect([...new Set(named)]).to.deep.equal(items);
    });

    it(`${file} has each function of the kernel that programs are attached to by name`, () => {
      const sources = readdirSync('bpf').filter((name) => name.endsWith('.bpf.c'));
      const sections = sources.flatMap((name) => [
        ...readFileSync(`bpf/${name}`, 'utf8').matchAll(/SEC\("(?:fentry|fexit|tp_btf)\/(\w+)"\)/g),
      ]);
      const functions = [...new Set(sections.map(([, name]) => name!))];
      expect(functions).to.include('inet_release');
      expect(codeIn(readFileSync(file, 'utf8'))).to.include.members(functions);
    });
  }
});
