"""Reads `bpftool btf dump -j` and writes {struct: {size, fields: {name: [offset, size]}}} of the tlshub_* structs, in bytes."""
import json
import sys

types = {t['id']: t for t in json.load(sys.stdin)['types']}


def size_of(type_id):
    t = types[type_id]
    kind = t['kind']
    if kind in ('TYPEDEF', 'CONST', 'VOLATILE', 'RESTRICT'):
        return size_of(t['type_id'])
    if kind == 'ARRAY':
        return size_of(t['type_id']) * t['nr_elems']
    if kind == 'PTR':
        return 8
    return t['size']


structs = {
    t['name']: {
        'size': t['size'],
        'fields': {m['name']: [m['bits_offset'] // 8, size_of(m['type_id'])] for m in t['members']},
    }
    for t in types.values()
    if t['kind'] == 'STRUCT' and t['name'].startswith('tlshub_')
}
json.dump(dict(sorted(structs.items())), sys.stdout, indent=1)
print()
