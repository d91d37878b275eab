// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { ABI_HASH, Reason, type STRUCTS } from '../../src/shared/kernel/abi.generated.js';
import { checkAbi, reasonText } from '../../src/shared/kernel/abi.js';
import { kernel } from '../../src/shared/kernel/native.js';
import { decodeEvent } from '../../src/shared/kernel/records.js';
import { TUPLE } from '../fakes/dispatcher-world.js';
import { emptyEvent, place, securedBytes, sweepBytes } from '../fakes/fake-kernel.js';

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

describe('abi', () => {
  it('is in git as the BPF object has it', function () {
    this.timeout(20_000);
    const btf = spawnSync('bpftool', ['btf', 'dump', '-j', 'file', 'dist/bpf/tlshub.bpf.o'], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
      maxBuffer: 1 << 26,
    });
    expect(btf.status, btf.stderr).to.equal(0);
    const check = spawnSync('python3', ['bpf/abi.py', 'check'], { input: btf.stdout, encoding: 'utf8' });
    expect(check.status, check.stderr).to.equal(0);
    expect(JSON.parse(check.stdout)).to.deep.equal({ hash: ABI_HASH });
    expect(readFileSync('dist/bpf/abi.json', 'utf8')).to.equal(check.stdout);
  });

  it('is what a C compiler makes of bpf/tlshub.h', function () {
    this.timeout(20_000);
    const compiled = spawnSync('cc', ['-x', 'c', '-fsyntax-only', '-'], {
      input: '#include "bpf/abi.generated.h"\n',
      encoding: 'utf8',
    });
    expect(compiled.stderr).to.equal('');
    expect(compiled.status).to.equal(0);
  });

  it('is what the native addon was compiled with', () => {
    expect(kernel().abi()).to.equal(ABI_HASH);
  });

  it('says which part is of another build', () => {
    const refusal = (addon: string, object: string): unknown =>
      expect(() => checkAbi(addon, object))
        .to.throw()
        .with.property('code', 'TLSHUB_ABI_MISMATCH');
    checkAbi(ABI_HASH, ABI_HASH);
    refusal('0', ABI_HASH);
    expect(() => checkAbi('0', ABI_HASH)).to.throw('tlshub_kernel.node is of another build');
    refusal(ABI_HASH, '0');
    expect(() => checkAbi(ABI_HASH, '0')).to.throw('tlshub.bpf.o is of another build');
    refusal('0', '0');
    expect(() => checkAbi('0', '0')).to.throw('the compiled TypeScript');
    expect(() => checkAbi('0', '1')).to.throw('each part');
  });

  it('decodes an event, every field from its own place', () => {
    const at = 24;
    const view = viewOf(Buffer.concat([Buffer.alloc(at), emptyEvent()]));
    const offset = (name: keyof typeof STRUCTS.tlshub_event.fields): number => at + place('tlshub_event', name);
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
    view.setBigUint64(offset('cgroup'), 5678n, true);
    view.setUint32(offset('tgid'), 4242, true);
    view.setInt32(offset('fd'), -1, true);
    view.setUint32(offset('role'), 2, true);
    view.setUint32(offset('flow_class'), 1, true);
    view.setUint32(offset('reason'), 4, true);
    view.setUint32(offset('iss'), 0xfffffff0, true);
    view.setUint32(offset('irs'), 9, true);
    view.setUint32(offset('wait_ms'), 250, true);
    view.setUint32(offset('refs'), 2, true);
    view.setUint32(offset('hold'), 1, true);
    view.setUint32(offset('peer_intent'), 3, true);
    view.setUint32(offset('epoch'), 0x8a0b0c, true);
    view.setUint16(offset('number'), 0xfffe, true);
    view.setUint16(offset('what'), 6, true);
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
      cgroup: 5678n,
      waitMs: 250,
      refs: 2,
      hold: 'stop',
      peerIntent: 3,
      agreed: { what: 'translated', epoch: 0x8a0b0c, number: 0xfffe },
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

  it('has an agreement only if one was made, also by epoch 0 and number 0', () => {
    const view = viewOf(emptyEvent());
    expect(decodeEvent(view, 0)).to.not.have.property('agreed');
    view.setUint16(place('tlshub_event', 'what'), 5, true);
    expect(decodeEvent(view, 0).agreed).to.deep.equal({ what: 'direct', epoch: 0, number: 0 });
    view.setUint16(place('tlshub_event', 'what'), 7, true);
    expect(decodeEvent(view, 0)).to.not.have.property('agreed');
  });

  it('knows traffic only when the kernel vouches for it, and when it is final', () => {
    const view = viewOf(emptyEvent());
    view.setBigUint64(place('tlshub_event', 'bytes_sent'), 5n, true);
    const traffic = (flags: number): unknown => {
      view.setUint32(place('tlshub_event', 'traffic'), flags, true);
      return decodeEvent(view, 0).traffic;
    };
    expect(traffic(0)).to.equal(undefined);
    expect(traffic(2 | 4 | 8)).to.equal(undefined);
    for (const open of [1, 1 | 2, 1 | 4 | 8])
      expect(traffic(open)).to.deep.equal({ sent: 5, received: 0, final: false });
    expect(traffic(1 | 2 | 4 | 8)).to.deep.equal({ sent: 5, received: 0, final: true });
  });

  it('has no owner when the kernel knew none', () => {
    expect(decodeEvent(viewOf(emptyEvent()), 0).owner).to.equal(undefined);
  });

  it('decodes what a secured connection adds to its last event', () => {
    const bytes = securedBytes({
      askedNs: 5e9,
      startedNs: 6e9,
      negotiationNs: 7e6,
      openedNs: 2 ** 40,
      peerNode: 'node-b',
    });
    const view = viewOf(bytes);
    const secured = { askedNs: 5e9, startedNs: 6e9, negotiationNs: 7e6, openedNs: 2 ** 40, peerNode: 'node-b' };
    const names = { provider: 'openssl', cipher: 'TLS_AES_128_GCM_SHA256', tlsVersion: 'TLSv1.3' };
    expect(decodeEvent(view, 0).secured).to.deep.equal({ ...secured, ...names });
    for (const field of ['provider', 'cipher', 'tls_version'] as const)
      view.setUint32(place('tlshub_secured', field), 99, true);
    const unknown = { provider: null, cipher: null, tlsVersion: null };
    expect(decodeEvent(view, 0).secured).to.deep.equal({ ...secured, ...unknown });
  });

  it('takes nothing else for an event', () => {
    const socket = viewOf(sweepBytes([{ cookie: 1n, tuple: TUPLE }]));
    expect(() => decodeEvent(socket, 0)).to.throw(RangeError, 'a record of type 3 is no event');
    const shorter = emptyEvent();
    shorter.writeUInt16LE(shorter.length - 8, place('tlshub_head', 'bytes'));
    expect(() => decodeEvent(viewOf(shorter), 0)).to.throw(RangeError);
    expect(() => decodeEvent(viewOf(Buffer.alloc(1000)), 0)).to.throw(RangeError);
  });

  it('has words of its own for every reason of the gate', () => {
    const words = new Set<string>();
    for (const [name, reason] of Object.entries(Reason)) {
      expect(reasonText(reason), name).to.not.match(/^reason|undefined/);
      if (reason === Reason.NONE) expect(reasonText(reason)).to.equal('');
      else expect(reasonText(reason), name).to.have.length.above(5);
      words.add(reasonText(reason));
    }
    expect(words.size).to.equal(Object.keys(Reason).length);
    expect(reasonText(63)).to.equal('reason 63');
  });
});
