import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { EVENT_BYTES, checkAbi, decodeEvent, expectedAbi, reasonText } from '../../src/shared/kernel/abi.js';
import { securedBytes } from '../fakes/fake-kernel.js';

const HEADER = 'bpf/tlshub.h';

/** What a C compiler makes of the header: the third party, besides the addon and BTF, that the table can be held against. */
function compiledAbi(): ReturnType<typeof expectedAbi> | undefined {
  const table = expectedAbi();
  const lines = Object.entries(table).flatMap(([struct, { fields }]) => [
    `printf("${struct} . 0 %zu\\n", sizeof(struct ${struct}));`,
    ...Object.keys(fields).map(
      (field) =>
        `printf("${struct} ${field} %zu %zu\\n", offsetof(struct ${struct}, ${field}), sizeof(((struct ${struct} *)0)->${field}));`,
    ),
  ]);
  const source = `#include <stdio.h>\n#include <stddef.h>\n#include "${HEADER}"\nint main(void) { ${lines.join('\n')} }\n`;
  const program = `${process.env.TMPDIR ?? '/tmp'}/tlshub-abi-${process.pid}`;
  const compiled = spawnSync('cc', ['-x', 'c', '-I', '.', '-o', program, '-'], { input: source, encoding: 'utf8' });
  if (compiled.error !== undefined) return undefined;
  expect(compiled.stderr).to.equal('');
  const output = spawnSync(program, { encoding: 'utf8' }).stdout;
  spawnSync('rm', ['-f', program]);
  const result: ReturnType<typeof expectedAbi> = {};
  for (const line of output.trim().split('\n')) {
    const [struct = '', field = '', offset, size] = line.split(' ');
    const entry = (result[struct] ??= { size: 0, fields: {} });
    if (field === '.') entry.size = Number(size);
    else entry.fields[field] = [Number(offset), Number(size)];
  }
  return result;
}

describe('abi', () => {
  it('is what a C compiler makes of bpf/tlshub.h', function () {
    this.timeout(20_000);
    const compiled = compiledAbi();
    if (compiled === undefined) this.skip();
    expect(compiled).to.deep.equal(expectedAbi());
    checkAbi(compiled, 'the compiler');
  });

  it('names the struct and the field that do not fit', () => {
    const moved = expectedAbi();
    moved.tlshub_event!.fields.tgid = [52, 4];
    expect(() => checkAbi(moved, 'the addon'))
      .to.throw('the addon')
      .with.property('code', 'TLSHUB_ABI_MISMATCH');
    expect(() => checkAbi(moved, 'the addon')).to.throw('tlshub_event.tgid has 4 bytes at 52, not 4 at');
    const fewer = expectedAbi();
    delete fewer.tlshub_flow!.fields.keyed;
    expect(() => checkAbi(fewer, 'x')).to.throw('struct tlshub_flow has no field keyed');
    const more = expectedAbi();
    more.tlshub_owner!.fields.uid = [40, 4];
    expect(() => checkAbi(more, 'x')).to.throw('tlshub_owner.uid is not known');
    const larger = expectedAbi();
    larger.tlshub_sweep!.size += 8;
    expect(() => checkAbi(larger, 'x')).to.throw('struct tlshub_sweep has');
    expect(() => checkAbi({}, 'x')).to.throw('it has no struct tlshub_tuple');
  });

  it('decodes an event, every field from its own place', () => {
    const { fields } = expectedAbi().tlshub_event!;
    const at = 24;
    const view = new DataView(new ArrayBuffer(at + EVENT_BYTES));
    const offset = (name: string): number => at + (fields[name]?.[0] ?? NaN);
    view.setUint32(offset('kind'), 3, true);
    view.setUint32(offset('generation'), 2, true);
    view.setBigUint64(offset('time_ns'), 5_000_000_001n, true);
    view.setBigUint64(offset('cookie'), 0xfedcba9876543210n, true);
    view.setBigUint64(offset('inode'), 77n, true);
    view.setBigUint64(offset('start_boottime'), 2n ** 60n + 1n, true);
    view.setBigUint64(offset('created_ns'), 4_999_000_000n, true);
    view.setBigUint64(offset('established_ns'), 4_999_999_999n, true);
    view.setBigUint64(offset('bytes_sent'), 2n ** 53n - 1n, true);
    view.setBigUint64(offset('bytes_received'), 2n ** 32n, true);
    view.setUint32(offset('tgid'), 4242, true);
    view.setInt32(offset('fd'), -1, true);
    view.setUint32(offset('role'), 2, true);
    view.setUint32(offset('flow_class'), 1, true);
    view.setUint32(offset('reason'), 4, true);
    view.setUint32(offset('iss'), 0xfffffff0, true);
    view.setUint32(offset('irs'), 9, true);
    view.setUint32(offset('wait_ms'), 250, true);
    view.setUint32(offset('refs'), 2, true);
    view.setUint32(offset('blocking'), 1, true);
    view.setUint32(offset('peer_wants'), 3, true);
    view.setUint32(offset('traffic'), 1 | 2 | 8, true);
    const tuple = offset('tuple');
    for (let i = 0; i < 16; i++) view.setUint8(tuple + i, i);
    for (let i = 0; i < 16; i++) view.setUint8(tuple + 16 + i, 100 + i);
    view.setUint16(tuple + 32, 8080, true);
    view.setUint16(tuple + 34, 4711, true);
    Buffer.from('cu\nrl\0junk').forEach((byte, i) => view.setUint8(offset('comm') + i, byte));

    expect(decodeEvent(view, at)).to.deep.equal({
      kind: 3,
      generation: 2,
      timeNs: 5_000_000_001,
      cookie: 0xfedcba9876543210n,
      createdNs: 4_999_000_000,
      establishedNs: 4_999_999_999,
      role: 'passive',
      class: 1,
      reason: 4,
      iss: 0xfffffff0,
      irs: 9,
      waitMs: 250,
      refs: 2,
      blocking: true,
      peerWants: 3,
      traffic: { sent: 2 ** 53 - 1, received: 2 ** 32, final: true },
      tuple: {
        local: Uint8Array.from({ length: 16 }, (_, i) => i),
        remote: Uint8Array.from({ length: 16 }, (_, i) => 100 + i),
        lport: 8080,
        rport: 4711,
      },
      owner: { tgid: 4242, fd: -1, inode: 77n, startBoottime: 2n ** 60n + 1n, comm: 'cu?rl' },
      secured: undefined,
    });
  });

  it('knows traffic only when the kernel vouches for it, and when it is final', () => {
    const { fields } = expectedAbi().tlshub_event!;
    const view = new DataView(new ArrayBuffer(EVENT_BYTES));
    view.setBigUint64(fields.bytes_sent![0], 5n, true);
    const traffic = (flags: number): unknown => {
      view.setUint32(fields.traffic![0], flags, true);
      return decodeEvent(view, 0).traffic;
    };
    expect(traffic(0)).to.equal(undefined);
    expect(traffic(2 | 4 | 8)).to.equal(undefined);
    for (const open of [1, 1 | 2, 1 | 4 | 8])
      expect(traffic(open)).to.deep.equal({ sent: 5, received: 0, final: false });
    expect(traffic(1 | 2 | 4 | 8)).to.deep.equal({ sent: 5, received: 0, final: true });
  });

  it('has no owner when the kernel knew none', () => {
    expect(decodeEvent(new DataView(new ArrayBuffer(EVENT_BYTES)), 0).owner).to.equal(undefined);
  });

  it('decodes what a secured connection adds to its last event', () => {
    const { fields } = expectedAbi().tlshub_secured!;
    const bytes = securedBytes({
      askedNs: 5e9,
      startedNs: 6e9,
      negotiationNs: 7e6,
      openedNs: 2 ** 40,
      peerNode: 'node-b',
    });
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    expect(decodeEvent(view, 0).secured).to.equal(undefined);
    const secured = { askedNs: 5e9, startedNs: 6e9, negotiationNs: 7e6, openedNs: 2 ** 40, peerNode: 'node-b' };
    const names = { provider: 'openssl', cipher: 'TLS_AES_128_GCM_SHA256', tlsVersion: 'TLSv1.3' };
    expect(decodeEvent(view, 0, bytes.length).secured).to.deep.equal({ ...secured, ...names });
    for (const field of ['provider', 'cipher', 'tls_version']) view.setUint32(fields[field]![0], 99, true);
    const unknown = { provider: null, cipher: null, tlsVersion: null };
    expect(decodeEvent(view, 0, bytes.length).secured).to.deep.equal({ ...secured, ...unknown });
  });

  it('has words for every reason of the gate', () => {
    for (let reason = 1; reason <= 7; reason++) expect(reasonText(reason)).to.not.match(/^reason/);
    expect(reasonText(63)).to.equal('reason 63');
  });
});
