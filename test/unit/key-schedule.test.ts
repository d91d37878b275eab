// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { hkdfExpand, hkdfExpandLabel, hkdfExtract, trafficKeys } from '../../src/tls/key-schedule.js';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ''), 'hex');

describe('key schedule', () => {
  describe('HKDF (RFC 5869, appendix A)', () => {
    it('test case 1: basic, SHA-256', () => {
      const prk = hkdfExtract('sha256', hex('000102030405060708090a0b0c'), Buffer.alloc(22, 0x0b));
      expect(prk.toString('hex')).to.equal('077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5');
      expect(hkdfExpand('sha256', prk, hex('f0f1f2f3f4f5f6f7f8f9'), 42).toString('hex')).to.equal(
        '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
      );
    });

    it('test case 2: longer inputs and three blocks of output, SHA-256', () => {
      const sequence = (from: number): Buffer => Buffer.from(Array.from({ length: 80 }, (_, i) => from + i));
      const prk = hkdfExtract('sha256', sequence(0x60), sequence(0x00));
      expect(prk.toString('hex')).to.equal('06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244');
      expect(hkdfExpand('sha256', prk, sequence(0xb0), 82).toString('hex')).to.equal(
        'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c' +
          '59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71' +
          'cc30c58179ec3e87c14c01d5c1f3434f1d87',
      );
    });

    it('test case 3: no salt and no info, SHA-256', () => {
      const prk = hkdfExtract('sha256', new Uint8Array(0), Buffer.alloc(22, 0x0b));
      expect(prk.toString('hex')).to.equal('19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04');
      expect(hkdfExpand('sha256', prk, new Uint8Array(0), 42).toString('hex')).to.equal(
        '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
      );
    });

    it('refuses more than 255 blocks', () => {
      expect(() => hkdfExpand('sha256', Buffer.alloc(32), Buffer.alloc(0), 255 * 32 + 1)).to.throw(RangeError);
    });
  });

  describe('simple 1-RTT handshake (RFC 8448, section 3)', () => {
    const master = hex('18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919');
    const transcript = hex('9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13');
    const client = hex('9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5');
    const server = hex('a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643');

    it('derives the application traffic secrets from the master secret', () => {
      expect(hkdfExpandLabel('sha256', master, 'c ap traffic', transcript, 32)).to.deep.equal(client);
      expect(hkdfExpandLabel('sha256', master, 's ap traffic', transcript, 32)).to.deep.equal(server);
    });

    it('derives the master secret from the handshake secret', () => {
      const handshake = hex('1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac');
      const nothing = hex('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
      const derived = hkdfExpandLabel('sha256', handshake, 'derived', nothing, 32);
      expect(derived.toString('hex')).to.equal('43de77e0c77713859a944db9db2590b53190a65b3ee2e4f12dd7a0bb7ce254b4');
      expect(hkdfExtract('sha256', derived, Buffer.alloc(32))).to.deep.equal(master);
    });

    it("derives each side's key and iv", () => {
      expect(trafficKeys('TLS_AES_128_GCM_SHA256', client)).to.deep.equal({
        key: hex('17422dda596ed5d9acd890e3c63f5051'),
        iv: hex('5b78923dee08579033e523d9'),
      });
      expect(trafficKeys('TLS_AES_128_GCM_SHA256', server)).to.deep.equal({
        key: hex('9f02283b6c9c07efc26bb9f2ac92e356'),
        iv: hex('cf782b88dd83549aadf1e984'),
      });
    });
  });

  it('gives every cipher its lengths, and refuses secrets of another hash', () => {
    expect(trafficKeys('TLS_AES_256_GCM_SHA384', Buffer.alloc(48, 1)).key).to.have.length(32);
    expect(trafficKeys('TLS_CHACHA20_POLY1305_SHA256', Buffer.alloc(32, 1)).key).to.have.length(32);
    expect(trafficKeys('TLS_CHACHA20_POLY1305_SHA256', Buffer.alloc(32, 1)).iv).to.have.length(12);
    expect(() => trafficKeys('TLS_AES_256_GCM_SHA384', Buffer.alloc(32))).to.throw(RangeError, '48 bytes');
  });
});
