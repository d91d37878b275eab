// SPDX-License-Identifier: Apache-2.0
/** A capture as an independent implementation reads it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';

/** Numbers of ciphers (RFC 8446, appendix B.4), as tshark writes them. */
export const CIPHER_NUMBERS = {
  TLS_AES_128_GCM_SHA256: '0x1301',
  TLS_AES_256_GCM_SHA384: '0x1302',
  TLS_CHACHA20_POLY1305_SHA256: '0x1303',
} as const;

/** Where lab.sniff() records by default. */
const PCAP = '/tmp/tlshub-lab.pcap';
const FIELDS = ['tls.handshake.ciphersuite', 'http.request.uri', 'http.response.code', 'http.file_data'] as const;

/** The ServerHello and all HTTP that tshark sees in the last capture, in order: the fields above. */
export async function dissect(port: number, keyLog?: string): Promise<string[][]> {
  const decode = ['-d', `tcp.port==${port},tls`, ...(keyLog === undefined ? [] : ['-o', `tls.keylog_file:${keyLog}`])];
  const fields = ['-T', 'fields', ...FIELDS.flatMap((field) => ['-e', field])];
  // Frames of two processors may be recorded in another order than they were sent in.
  const order = ['-o', 'tcp.reassemble_out_of_order:TRUE'];
  const args = ['-n', '-r', PCAP, ...order, ...decode, '-Y', 'http or tls.handshake.type == 2', ...fields];
  const { stdout } = await promisify(execFile)('tshark', args);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
}

/** That the last capture is one connection with this cipher, and what the key log reveals in it is a request for `uri` answered by `text`. */
export async function expectReadable(
  port: number,
  keyLog: string,
  cipher: string,
  uri: string,
  text: string,
): Promise<void> {
  const [hello, request, response, ...more] = await dissect(port, keyLog);
  expect(more).to.deep.equal([]);
  expect(hello?.[0]).to.equal(cipher);
  expect(request?.[1]).to.equal(uri);
  expect(response?.[2]).to.equal('200');
  expect(response?.[3]).to.contain(text);
}
