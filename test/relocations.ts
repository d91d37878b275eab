// SPDX-License-Identifier: Apache-2.0
/**
 * The CO-RE relocations of a BPF object, from its sections .BTF and .BTF.ext (include/uapi/linux/bpf.h, struct bpf_core_relo;
 * Documentation/bpf/btf.rst): which field of which kernel type an instruction is made to fit.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Relocation {
  /** as the source names it, with its flavour */
  type: string;
  /** names of members, from the outermost in; empty where it is about the type */
  path: string[];
  /** whether the kernel has it, rather than where */
  asks: boolean;
}

interface Btf {
  id: number;
  kind: string;
  name: string;
  type_id: number;
  members?: { name: string; type_id: number }[];
}

/** enum bpf_core_relo_kind */
const FIELD_EXISTS = 2;
const TYPE_EXISTS = 8;

function sectionsOf(elf: Buffer): Map<string, Buffer> {
  const at = Number(elf.readBigUInt64LE(0x28));
  const [bytes, count, names] = [0x3a, 0x3c, 0x3e].map((offset) => elf.readUInt16LE(offset)) as [
    number,
    number,
    number,
  ];
  const headers = Array.from({ length: count }, (_, i) => elf.subarray(at + i * bytes, at + (i + 1) * bytes));
  const contents = (header: Buffer): Buffer => {
    const offset = Number(header.readBigUInt64LE(0x18));
    return elf.subarray(offset, offset + Number(header.readBigUInt64LE(0x20)));
  };
  const texts = contents(headers[names]!);
  return new Map(headers.map((header) => [textAt(texts, header.readUInt32LE(0)), contents(header)]));
}

const textAt = (texts: Buffer, offset: number): string => texts.toString('latin1', offset, texts.indexOf(0, offset));

/** Types by id, as bpftool reads them. */
function typesOf(file: string): Map<number, Btf> {
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
  const { stdout } = spawnSync('bpftool', ['btf', 'dump', '-j', 'file', file], {
    encoding: 'utf8',
    env,
    maxBuffer: 1 << 26,
  });
  const { types } = JSON.parse(stdout) as { types: Btf[] };
  return new Map(types.map((type) => [type.id, type]));
}

export function coreRelocations(file: string): Relocation[] {
  const sections = sectionsOf(readFileSync(file));
  const [btf, ext] = [sections.get('.BTF')!, sections.get('.BTF.ext')!];
  const texts = btf.subarray(btf.readUInt32LE(4) + btf.readUInt32LE(16));
  const types = typesOf(file);
  const plain = (id: number): Btf => {
    const type = types.get(id)!;
    return ['TYPEDEF', 'CONST', 'VOLATILE'].includes(type.kind) ? plain(type.type_id) : type;
  };
  const pathOf = (id: number, access: string): string[] => {
    let type = plain(id);
    return access
      .split(':')
      .slice(1)
      .flatMap((index) => {
        const member = type.kind === 'ARRAY' ? undefined : type.members![Number(index)]!;
        type = plain(member?.type_id ?? type.type_id);
        return member === undefined || member.name === '(anon)' ? [] : [member.name];
      });
  };
  const start = ext.readUInt32LE(4) + ext.readUInt32LE(24);
  const records = ext.subarray(start, start + ext.readUInt32LE(28));
  const bytes = records.readUInt32LE(0);
  const found: Relocation[] = [];
  for (let at = 4; at < records.length;) {
    const count = records.readUInt32LE(at + 4);
    at += 8;
    for (let i = 0; i < count; i++, at += bytes) {
      const [id, access, kind] = [4, 8, 12].map((offset) => records.readUInt32LE(at + offset)) as [
        number,
        number,
        number,
      ];
      const asks = kind === FIELD_EXISTS || kind === TYPE_EXISTS;
      // Of a type as a whole the access is one number without a meaning.
      found.push({ type: types.get(id)!.name, path: pathOf(id, textAt(texts, access)), asks });
    }
  }
  return found;
}
