// SPDX-License-Identifier: Apache-2.0
/** The forms are those that native/test/secrets_channel.cc has BPF's own header write and read. */
import { expect } from 'chai';
import { markerIn } from '../wire/marker.js';

/** As Linux writes them: segment size, SACK, timestamps, window scale, and behind them what BPF adds, filled up with NOPs. */
const SYN = '020405b40402080a010203040000000001030307';
const ACK = '0101080a0102030405060708';
const inHeader = (before: string, option: string): Buffer => Buffer.from(`${before}${option}0101`, 'hex');

describe('markers on the wire', () => {
  it('a SYN has two checks', () => {
    expect(markerIn(inHeader(SYN, 'fe0d544c2501020304fffefdfc'))).to.deep.equal({
      version: 2,
      what: 5,
      checks: { source: 0x0102_0304, destination: 0xfffe_fdfc },
    });
  });

  it('a SYN-ACK has the epoch, what follows it the number, too', () => {
    expect(markerIn(inHeader(SYN, 'fe08544c268a0b0c'))).to.deep.equal({ version: 2, what: 6, epoch: 0x8a_0b0c });
    const third = { version: 2, what: 5, epoch: 0x8a_0b0c, number: 0xfffe };
    expect(markerIn(inHeader(ACK, 'fe0a544c258a0b0cfffe'))).to.deep.equal(third);
  });

  it('one of version 1 says what, and no more', () => {
    expect(markerIn(inHeader(ACK, 'fe06544c0102'))).to.deep.equal({ version: 1, what: 2 });
  });

  for (const [what, option] of [
    ['none', ''],
    ['another identifier', 'fe0a544d258a0b0cfffe'],
    ['another version', 'fe0a544c358a0b0cfffe'],
    ['no way to secure', 'fe0a544c278a0b0cfffe'],
    ['a translated SYN', 'fe0d544c2601020304fffefdfc'],
    ['another length', 'fe09544c258a0b0cff'],
    ['a length that is too long', 'fe20544c2505'],
    ['a length of nothing', 'fe00544c2505'],
  ] as const) {
    it(`${what} is none`, () => {
      expect(markerIn(inHeader(ACK, option))).to.equal(undefined);
    });
  }

  it('what comes after the end of options is none', () => {
    expect(markerIn(Buffer.from('00fe06544c0102', 'hex'))).to.equal(undefined);
  });
});
