// SPDX-License-Identifier: Apache-2.0
/** The ciphers of kernel TLS, and that what is on the wire is standard TLS 1.3. */
import { readFileSync, statSync } from 'node:fs';
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { DEFAULT_CIPHER, mutualTls } from '../harness/mutual-tls.js';
import { at, digestOf, makeContent, makeFolder } from './files.js';
import * as servers from './servers.js';
import { CIPHER_NUMBERS, dissect, expectReadable } from './tshark.js';

for (const cipher of ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'] as const) {
  describe(`the wire with ${cipher}`, () => {
    const keyLog = '/tmp/matrix-keys.log';

    before(async () => {
      makeFolder();
      await lab.need({ exchange: 'in-band', set: { 'tls.ciphers': cipher, keylog_file: keyLog } });
      await servers.nginx();
    });

    it('is TLS 1.3 that tshark decrypts with the key log of the test run, down to HTTP', async () => {
      const content = makeContent('readable', 100_000, true);
      await mutualTls({ port: servers.PORTS.nginx, cipher, secrets: [...content.secrets, '/readable'] }, async () => {
        const url = `http://10.77.0.2:${servers.PORTS.nginx}/readable`;
        const { code, stderr } = await lab.exec('a', ['curl', '-sSf', '-o', at('out'), url]);
        expect(code, stderr).to.equal(0);
        expect(digestOf(at('out'))).to.equal(content.sha256);
      });
      expect(statSync(keyLog).mode & 0o777).to.equal(0o600);
      const line = readFileSync(content.path, 'latin1').slice(0, 60);
      await expectReadable(servers.PORTS.nginx, keyLog, CIPHER_NUMBERS[cipher], '/readable', line);
    });

    if (cipher === DEFAULT_CIPHER) {
      it('and that it cannot read without', async () => {
        expect(await dissect(servers.PORTS.nginx)).to.deep.equal([[CIPHER_NUMBERS[cipher]]]);
      });
    }
  });
}
