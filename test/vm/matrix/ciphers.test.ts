/** The three ciphers of kernel TLS, and that what is on the wire is standard TLS 1.3: tshark reads it, given the key log. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { expect } from 'chai';
import type { CipherName } from '../../../src/shared/native.js';
import { lab } from '../harness/index.js';
import { mutualTls } from '../harness/mutual-tls.js';
import { at, digestOf, makeContent, makeFolder } from './files.js';
import * as servers from './servers.js';

/** TLS's numbers (RFC 8446, appendix B.4), as tshark writes them. */
const CIPHERS: readonly [CipherName, string][] = [
  ['TLS_AES_128_GCM_SHA256', '0x1301'],
  ['TLS_AES_256_GCM_SHA384', '0x1302'],
  ['TLS_CHACHA20_POLY1305_SHA256', '0x1303'],
];
const PCAP = '/tmp/tlshub-lab.pcap';
const FIELDS = ['tls.handshake.ciphersuite', 'http.request.uri', 'http.response.code', 'http.file_data'];

/** The ServerHello and all HTTP that tshark sees, a line each: the fields above, separated by tabs. */
function tshark(...options: string[]): string[][] {
  const filter = 'http or tls.handshake.type == 2';
  const decode = ['-d', `tcp.port==${servers.PORTS.nginx},tls`];
  const fields = ['-T', 'fields', ...FIELDS.flatMap((field) => ['-e', field])];
  const args = ['-r', PCAP, ...decode, ...options, '-Y', filter, ...fields];
  const lines = execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    .trimEnd()
    .split('\n');
  return lines.map((line) => line.split('\t'));
}

for (const [cipher, number] of CIPHERS) {
  describe(`the wire with ${cipher}`, () => {
    const keyLog = '/tmp/matrix-keys.log';

    before(async () => {
      makeFolder();
      await lab.up({ set: { 'tls.ciphers': cipher, keylog_file: keyLog } });
      await servers.nginx();
    });
    after(() => lab.down());

    it('is TLS 1.3 that tshark decrypts with the key log of the test run, down to HTTP', async () => {
      const content = makeContent('readable', 1000, true);
      await mutualTls({ port: servers.PORTS.nginx, cipher, secrets: [...content.secrets, '/readable'] }, async () => {
        const url = `http://10.77.0.2:${servers.PORTS.nginx}/readable`;
        const { code, stderr } = await lab.exec('a', ['curl', '-sSf', '-o', at('out'), url]);
        expect(code, stderr).to.equal(0);
        expect(digestOf(at('out'))).to.equal(content.sha256);
      });
      expect(statSync(keyLog).mode & 0o777).to.equal(0o600);
      const [hello, request, response, ...more] = tshark('-o', `tls.keylog_file:${keyLog}`);
      expect(more).to.deep.equal([]);
      expect(hello?.[0]).to.equal(number);
      expect(request?.[1]).to.equal('/readable');
      expect(response?.[2]).to.equal('200');
      expect(response?.[3]).to.contain(readFileSync(content.path).toString('hex').slice(0, 64));
      if (cipher === CIPHERS[0]?.[0])
        expect(
          tshark().map(([suite]) => suite),
          'without the keys',
        ).to.deep.equal([number]);
    });
  });
}
