// SPDX-License-Identifier: Apache-2.0
/** The analysis of captured frames: on it rests every "no plaintext on the wire" of the VM tests. */
import { expect } from 'chai';
import { Capture } from '../wire/capture.js';
import { parsePcap } from '../wire/pcap.js';
import { frame, pcap, record } from './support/frames.js';

const hello = record(22, 'client hello', 0x0301);
const data = record(23, Buffer.alloc(100, 7));
const capture = (...frames: Buffer[]): Capture => Capture.read(pcap(frames));

describe('pcap files', () => {
  it('are read in both byte orders and resolutions', () => {
    const frames = [frame({ seq: 1, payload: 'x' })];
    for (const bigEndian of [false, true]) {
      const file = parsePcap(pcap(frames, { bigEndian }));
      expect(file.linkType).to.equal(1);
      expect(file.frames.map((each) => each.data)).to.deep.equal(frames);
      expect(file.frames[0]?.time).to.be.closeTo(1000.000005, 1e-9);
    }
    expect(parsePcap(pcap(frames, { nanoseconds: true })).frames[0]?.time).to.be.closeTo(1000.000000005, 1e-12);
  });

  it('that are cut short, or hold frames cut short, are refused', () => {
    const file = pcap([frame({ seq: 1, payload: 'x' })]);
    expect(() => parsePcap(file.subarray(0, -1))).to.throw('ends within frame 1');
    expect(() => parsePcap(file.subarray(0, 30))).to.throw('ends within the header of frame 1');
    expect(() => parsePcap(Buffer.from('PK\x03\x04 something else altogether'))).to.throw('no pcap file');
    file.writeUInt32LE(2000, 24 + 12);
    expect(() => parsePcap(file)).to.throw('not whole');
  });
});

describe('captures', () => {
  it('of TLS hold no plaintext', () => {
    const seen = capture(
      frame({ seq: 99, flags: { syn: true } }),
      frame({ seq: 100, payload: hello }),
      frame({ seq: 100 + hello.length, payload: data }),
      frame({ seq: 100 + hello.length + data.length, flags: { fin: true } }),
    );
    expect(seen.payloadFrames).to.equal(2);
    expect(seen.plaintextFrames).to.equal(0);
    expect(seen.mesh[0]?.records).to.deep.equal({ changeCipherSpec: 0, alert: 0, handshake: 1, applicationData: 1 });
    expect(seen.mesh[0]).to.include({ finished: true, reset: false, truncated: false, gap: false });
  });

  it('of plaintext count each of its frames', () => {
    const seen = capture(
      frame({ seq: 99, flags: { syn: true } }),
      frame({ seq: 100, payload: 'GET / HTTP/1.1\r\n' }),
      frame({ seq: 116, payload: 'Host: b\r\n\r\n' }),
    );
    expect(seen.plaintextFrames).to.equal(2);
    expect(seen.mesh[0]?.plaintextFrom).to.equal(0);
    expect(seen.describe()).to.include('GET / HTTP/1.1');
  });

  it('of plaintext behind TLS count the frames from there on', () => {
    const seen = capture(
      frame({ seq: 99, flags: { syn: true } }),
      frame({ seq: 100, payload: hello }),
      frame({ seq: 100 + hello.length, payload: Buffer.concat([data, Buffer.from('leak')]) }),
      frame({ seq: 104 + hello.length + data.length, payload: 'more' }),
    );
    expect(seen.plaintextFrames).to.equal(2);
    expect(seen.mesh[0]?.plaintextFrom).to.equal(hello.length + data.length);
  });

  it('know records across segments, out of order, repeated, and beyond the wrap of sequence numbers', () => {
    const stream = Buffer.concat([hello, data, data]);
    const isn = 0xffffffe0;
    const part = (from: number, to: number): Buffer =>
      frame({ seq: (isn + 1 + from) >>> 0, payload: stream.subarray(from, to) });
    const seen = capture(
      frame({ seq: isn, flags: { syn: true } }),
      part(0, 20),
      part(50, 130),
      part(20, 60),
      part(20, 60),
      part(130, stream.length),
    );
    expect(seen.plaintextFrames).to.equal(0);
    expect(seen.mesh[0]?.data).to.deep.equal(stream);
    expect(seen.mesh[0]?.records.applicationData).to.equal(2);
  });

  it('report a retransmission with another content as plaintext, in either order', () => {
    const other = Buffer.alloc(data.length, 'secret ');
    for (const [first, second] of [
      [data, other],
      [other, data],
    ]) {
      const seen = capture(
        frame({ seq: 99, flags: { syn: true } }),
        frame({ seq: 100, payload: first! }),
        frame({ seq: 100, payload: second! }),
      );
      expect(seen.plaintextFrames).to.be.greaterThan(0);
    }
  });

  it('see data that travels with a SYN', () => {
    const seen = capture(frame({ seq: 99, flags: { syn: true }, payload: 'fast open' }));
    expect(seen.plaintextFrames).to.equal(1);
    expect(seen.mesh[0]?.data.toString()).to.equal('fast open');
  });

  it('count a byte from before the stream as no part of it, but as plaintext', () => {
    const seen = capture(
      frame({ seq: 99, flags: { syn: true } }),
      frame({ seq: 100, payload: hello }),
      frame({ seq: 99, payload: 'x' }),
    );
    expect(seen.mesh[0]?.data).to.deep.equal(hello);
    expect(seen.plaintextFrames).to.equal(1);
  });

  it('do not take garbage for records: types, versions and lengths must fit', () => {
    for (const bad of [
      record(24, 'heartbeat'),
      record(23, 'x', 0x0304),
      record(23, 'x', 0x0200),
      record(23, ''),
      record(23, Buffer.alloc(16641)),
    ]) {
      expect(capture(frame({ seq: 100, payload: bad })).plaintextFrames, bad.toString('hex', 0, 5)).to.equal(1);
    }
    expect(capture(frame({ seq: 100, payload: record(23, Buffer.alloc(16640)) })).plaintextFrames).to.equal(0);
  });

  it('say when a stream ends within a record, or has a gap', () => {
    const cut = capture(frame({ seq: 100, payload: data.subarray(0, 50) }));
    expect(cut.mesh[0]).to.include({ truncated: true, gap: false, plaintextFrames: 0 });
    const lost = capture(
      frame({ seq: 100, payload: data }),
      frame({ seq: 100 + 2 * data.length, payload: 'after what was lost' }),
    );
    expect(lost.mesh[0]).to.include({ gap: true, plaintextFrames: 1 });
  });

  it('tell connections apart that use the same four-tuple', () => {
    const seen = capture(
      frame({ seq: 99, flags: { syn: true } }),
      frame({ seq: 100, payload: data, flags: { rst: true } }),
      frame({ seq: 5000, flags: { syn: true } }),
      frame({ seq: 5001, payload: hello }),
    );
    expect(seen.mesh.map((stream) => [stream.isn, stream.data.length, stream.reset])).to.deep.equal([
      [99, data.length, true],
      [5000, hello.length, false],
    ]);
    expect(seen.plaintextFrames).to.equal(0);
  });

  it('cover IPv6, and leave out padding of short frames', () => {
    const seen = capture(
      frame({ src: 'fd77::1', dst: 'fd77::2', seq: 100, payload: data, padding: 6 }),
      frame({ seq: 100, payload: data, padding: 6 }),
    );
    expect(seen.mesh.map(({ src, dst }) => [src, dst])).to.deep.equal([
      ['fd77::1', 'fd77::2'],
      ['10.77.0.1', '10.77.0.2'],
    ]);
    expect(seen.plaintextFrames).to.equal(0);
    expect(seen.payloadFrames).to.equal(2);
  });

  it('count only what passes between mesh nodes, but search everything', () => {
    const seen = capture(
      frame({ dst: '10.77.0.3', seq: 100, payload: 'outside the mesh' }),
      frame({ seq: 100, payload: 'split mar' }),
      frame({ seq: 109, payload: 'ker' }),
    );
    expect(seen.payloadFrames).to.equal(2);
    expect(seen.port(80)).to.have.length(2);
    expect(seen.contains('outside the mesh')).to.equal(true);
    expect(seen.contains('marker')).to.equal(true);
    expect(seen.contains('nowhere')).to.equal(false);
  });

  it('refuse IP fragments, which would hide payload', () => {
    const fragment = frame({ seq: 100, payload: 'x' });
    fragment.writeUInt16BE(0x2000, 14 + 6);
    expect(() => capture(fragment)).to.throw('fragment');
  });
});
