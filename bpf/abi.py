# SPDX-License-Identifier: Apache-2.0
"""
What the BPF object's own BTF says of bpf/tlshub.h, for those who cannot ask a compiler at run time. Reads `bpftool btf dump -j file OBJECT`.

  abi.py generate   writes abi.generated.h, which does not compile where a struct is laid out differently, and TypeScript's tables
  abi.py check      fails if those files are not what it would write; prints what dist/bpf/abi.json has to say

All have the same hash, of every struct's layout and every enum's numbers.
"""
import hashlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent

types = {t['id']: t for t in json.load(sys.stdin)['types']}
SCALARS = {(1, False): 'u8', (2, False): 'u16', (4, False): 'u32', (4, True): 's32', (8, False): 'u64'}


def resolve(type_id):
    t = types[type_id]
    while t['kind'] in ('TYPEDEF', 'CONST', 'VOLATILE', 'RESTRICT'):
        t = types[t['type_id']]
    return t


def describe(type_id):
    """(type, bytes) of a field: a scalar, another struct, or `bytes`."""
    t = resolve(type_id)
    if t['kind'] == 'STRUCT':
        return t['name'], t['size']
    if t['kind'] == 'ARRAY' and resolve(t['type_id'])['size'] == 1:
        return 'bytes', t['nr_elems']
    if t['kind'] == 'INT':
        return SCALARS[t['size'], t['encoding'] == 'SIGNED'], t['size']
    sys.exit(f"abi.py: {t} is of a kind that decoders do not know")


def fields_of(struct):
    for member in struct['members']:
        kind, size = describe(member['type_id'])
        yield member['name'], {'at': member['bits_offset'] // 8, 'type': kind, 'bytes': size}


def named(kind):
    found = (t for t in types.values() if t['kind'] == kind and t['name'].startswith('tlshub_'))
    return sorted(found, key=lambda t: t['name'])


structs = {t['name']: {'bytes': t['size'], 'fields': dict(fields_of(t))} for t in named('STRUCT')}
enums = {t['name']: {v['name']: v['val'] for v in t['values']} for t in named('ENUM')}
digest = hashlib.sha256(json.dumps([structs, enums], sort_keys=True).encode()).hexdigest()[:16]


def parts_of(name):
    """A struct and those that it is made of."""
    inner = {place['type'] for place in structs[name]['fields'].values()} & structs.keys()
    return {name}.union(*(parts_of(each) for each in inner))


# All that goes as records is in it (abi.bpf.c). TypeScript decodes these, and leaves the other maps to the native code.
RECORDS = parts_of('tlshub_secured_sweep')


def ts_name(name):
    return ''.join(part.capitalize() for part in name.split('_')[1:])


def ts_values(enum, values):
    """Without the prefix that all have: the enum's own name, or the first word."""
    names = list(values)
    for prefix in (enum[len('tlshub_'):].upper() + '_', names[0].split('_')[0] + '_'):
        if all(name.startswith(prefix) for name in names):
            return {name[len(prefix):]: value for name, value in values.items()}
    return values


def typescript():
    yield '// SPDX-License-Identifier: Apache-2.0'
    yield '// Written by bpf/abi.py from the BTF of the BPF object, that is from bpf/tlshub.h: `make -C bpf generate`.'
    yield ''
    yield f"export const ABI_HASH = '{digest}';"
    yield ''
    yield '/** Of each struct its size and its fields: where they begin, what they are, and how many bytes they have. */'
    yield 'export const STRUCTS = {'
    for name, struct in structs.items():
        if name not in RECORDS:
            continue
        yield f"  {name}: {{"
        yield f"    bytes: {struct['bytes']},"
        yield '    fields: {'
        for field, place in struct['fields'].items():
            yield f"      {field}: {{ at: {place['at']}, type: '{place['type']}', bytes: {place['bytes']} }},"
        yield '    },'
        yield '  },'
    yield '} as const;'
    for name, values in enums.items():
        yield ''
        yield f'/** enum {name} */'
        one_line = ', '.join(f'{key}: {value}' for key, value in ts_values(name, values).items())
        line = f'export const {ts_name(name)} = {{ {one_line} }} as const;'
        if len(line) <= 120:
            yield line
            continue
        yield f'export const {ts_name(name)} = {{'
        for key, value in ts_values(name, values).items():
            yield f'  {key}: {value},'
        yield '} as const;'


def c():
    yield '/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */'
    yield '/* Written by bpf/abi.py from the BTF of the BPF object, that is from bpf/tlshub.h: `make -C bpf generate`. */'
    yield '#ifndef TLSHUB_ABI_GENERATED_H'
    yield '#define TLSHUB_ABI_GENERATED_H'
    yield ''
    yield '#include <assert.h>'
    yield '#include <stddef.h>'
    yield '#include "channel.h"'
    yield '#include "tlshub.h"'
    yield ''
    yield '/* clang-format off */'
    yield f'#define TLSHUB_ABI_HASH "{digest}"'
    yield ''
    yield '#define TLSHUB_PLACED(struct_, field, at, bytes) \\'
    yield '\tstatic_assert(offsetof(struct struct_, field) == (at) && sizeof(((struct struct_ *)0)->field) == (bytes), \\'
    yield '\t\t      "BPF has " #struct_ "." #field " elsewhere: make -C bpf generate")'
    for name, struct in structs.items():
        yield ''
        yield f'static_assert(sizeof(struct {name}) == {struct["bytes"]}, "BPF has another {name}: make -C bpf generate");'
        for field, place in struct['fields'].items():
            yield f'TLSHUB_PLACED({name}, {field}, {place["at"]}, {place["bytes"]});'
    yield ''
    yield '#undef TLSHUB_PLACED'
    for name, values in enums.items():
        yield ''
        for key, value in values.items():
            yield f'static_assert({key} == {value}, "BPF has another {key}: make -C bpf generate");'
    yield '/* clang-format on */'
    yield ''
    yield '#endif'


FILES = {HERE / 'abi.generated.h': c, HERE.parent / 'src/shared/kernel/abi.generated.ts': typescript}

for path, lines in FILES.items():
    text = '\n'.join(lines()) + '\n'
    if sys.argv[1] == 'generate':
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        sys.exit(f'{path.relative_to(HERE.parent)} is not what bpf/tlshub.h says: run `make -C bpf generate` and commit it')
if sys.argv[1] == 'check':
    print(json.dumps({'hash': digest}))
