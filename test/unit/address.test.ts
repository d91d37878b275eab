// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import {
  coversAllIPv4,
  formatAddress,
  formatCidr,
  isIPv4Mapped,
  isLoopback,
  maskAddress,
  parseAddress,
  parseCidr,
} from '../../src/shared/net/address.js';
import { AddressError } from '../../src/shared/errors/errors.js';
import { parseNodeName } from '../../src/shared/text/node-name.js';
import { Random } from './support/random.js';
import { thrown } from './support/thrown.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('addresses', () => {
  it('write IPv4 as v4-mapped', () => {
    expect(hex(parseAddress('10.77.0.1'))).to.equal('00000000000000000000ffff0a4d0001');
    expect(isIPv4Mapped(parseAddress('0.0.0.0'))).to.equal(true);
    expect(isIPv4Mapped(parseAddress('::'))).to.equal(false);
  });

  it('read every form of IPv6', () => {
    const forms: [string, string][] = [
      ['::', '00000000000000000000000000000000'],
      ['::1', '00000000000000000000000000000001'],
      ['fd77::1', 'fd770000000000000000000000000001'],
      ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
      ['1::8', '00010000000000000000000000000008'],
      ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
      ['::2:3:4:5:6:7:8', '00000002000300040005000600070008'],
      ['::FFFF:1.2.3.4', '00000000000000000000ffff01020304'],
      ['::1.2.3.4', '00000000000000000000000001020304'],
      ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
      ['1:2:3:4:5:6:7.8.9.10', '0001000200030004000500060708090a'],
    ];
    for (const [text, bytes] of forms) expect(hex(parseAddress(text)), text).to.equal(bytes);
  });

  it('write canonical text (RFC 5952)', () => {
    const forms: [string, string][] = [
      ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['1:0:0:0:0:0:0:0', '1::'],
      ['::ffff:10.0.0.1', '10.0.0.1'],
      ['::ffff:0a00:0001', '10.0.0.1'],
    ];
    for (const [text, canonical] of forms) expect(formatAddress(parseAddress(text))).to.equal(canonical);
  });

  it('agree with the URL parser on 2,000 random addresses', () => {
    const random = new Random(7);
    for (let i = 0; i < 2000; i++) {
      const bytes = random.bytes(16);
      for (let n = random.below(15); n > 0; n--) bytes[random.below(16)] = 0;
      const text = formatAddress(bytes);
      expect(hex(parseAddress(text))).to.equal(hex(bytes));
      if (!isIPv4Mapped(bytes)) expect(new URL(`http://[${text}]/`).hostname).to.equal(`[${text}]`);
    }
  });

  it('refuse what is no address', () => {
    const wrong = [
      '',
      ' ',
      '1.2.3',
      '1.2.3.4.5',
      '256.1.1.1',
      '01.2.3.4',
      '0x1.2.3.4',
      '1.2.3.4 ',
      ':',
      ':::',
      '1::2::3',
      '::1%lo',
      '12345::',
    ];
    for (const text of [...wrong, '1:2:3:4:5:6:7', '::ffff:1.2.3.456', 'localhost', '[::1]', '10.0.0.1:80']) {
      expect(
        thrown(AddressError, () => parseAddress(text)),
        text,
      ).to.include({ code: 'TLSHUB_ADDRESS' });
    }
    expect(() => formatAddress(new Uint8Array(4))).to.throw(AddressError, '16 bytes');
  });

  it('count prefixes on 128 bits', () => {
    expect(parseCidr('10.0.0.0/24')).to.deep.equal({ address: parseAddress('10.0.0.0'), prefix: 120 });
    expect(parseCidr('10.0.0.1')).to.include({ prefix: 128 });
    expect(parseCidr('10.0.0.1/32')).to.include({ prefix: 128 });
    expect(parseCidr('0.0.0.0/0')).to.include({ prefix: 96 });
    expect(parseCidr('fd77::/64')).to.include({ prefix: 64 });
    expect(parseCidr('::/0')).to.include({ prefix: 0 });
    for (const text of [
      '10.0.0.0/24',
      '10.0.0.1',
      '0.0.0.0/0',
      'fd77::/64',
      '::/0',
      '::1',
      '2000::/3',
      '::fe00:0:0/87',
    ]) {
      expect(formatCidr(parseCidr(text))).to.equal(text);
    }
    expect(formatCidr(parseCidr('::ffff:10.0.0.0/120'))).to.equal('10.0.0.0/24');
  });

  it('refuse bad prefixes, and host bits beside one', () => {
    for (const text of [
      '10.0.0.0/33',
      '10.0.0.0/-1',
      '10.0.0.0/',
      '10.0.0.0/024',
      '10.0.0.0/1e1',
      'fd::/129',
      '10.0.0.0/24/24',
      '/24',
    ]) {
      thrown(AddressError, () => parseCidr(text));
    }
    const message = thrown(AddressError, () => parseCidr('10.0.0.5/24')).message;
    expect(message).to.include('10.0.0.0/24 for the network').and.include('10.0.0.5 for the host');
  });

  it('mask any number of bits', () => {
    const ones = new Uint8Array(16).fill(0xff);
    for (let prefix = 0; prefix <= 128; prefix++) {
      const bits = [...maskAddress(ones, prefix)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
      expect(bits).to.equal('1'.repeat(prefix).padEnd(128, '0'));
    }
  });

  it('know loopback of both families', () => {
    for (const text of ['127.0.0.1', '127.255.255.255', '::1', '::ffff:127.0.0.1'])
      expect(isLoopback(parseAddress(text))).to.equal(true);
    for (const text of ['128.0.0.1', '10.127.0.1', '::', '::2', '1::1', '::127.0.0.1']) {
      expect(isLoopback(parseAddress(text)), text).to.equal(false);
    }
  });

  it('know which IPv6 networks would swallow IPv4', () => {
    for (const text of ['::/0', '::/80', '::/1', '::ff00:0:0/88'])
      expect(coversAllIPv4(parseCidr(text)), text).to.equal(true);
    for (const text of ['0.0.0.0/0', '::/96', '8000::/1', '2000::/3', '::1', 'fd00::/8']) {
      expect(coversAllIPv4(parseCidr(text)), text).to.equal(false);
    }
  });
});

describe('node names', () => {
  it('are DNS names, compared in lower case', () => {
    expect(parseNodeName('Node-A.Example')).to.equal('node-a.example');
    for (const text of ['a', 'ip-10-0-0-1', 'node_1', 'x'.repeat(63), `${'a.'.repeat(126)}a`])
      expect(parseNodeName(text)).to.equal(text);
    const wrong = [
      '',
      '.',
      'a.',
      '.a',
      'a..b',
      '-a',
      'a-',
      '*.example',
      'a b',
      'nöde',
      'x'.repeat(64),
      `${'a.'.repeat(127)}a`,
      'a/b',
      '../ca',
    ];
    for (const text of [...wrong, '10.0.0.1', '::1', 'a\0']) expect(parseNodeName(text), text).to.equal(undefined);
  });
});
