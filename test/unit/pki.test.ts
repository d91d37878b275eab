// SPDX-License-Identifier: Apache-2.0
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer, connect, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { initCa, issueNode } from '../../src/tls/lab-ca/pki.js';
import { PkiError, UsageError } from '../../src/shared/errors/errors.js';
import { temporaryFolder } from './support/temporary.js';
import { rejected } from './support/thrown.js';

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe('pki', () => {
  const path = temporaryFolder();
  const dir = (): string => path('lab');

  before(async () => {
    await initCa(dir(), { name: 'test CA', days: 30 });
    await issueNode(dir(), 'node-a', { days: 10 });
    await issueNode(dir(), 'Node-B.Example', { days: 10 });
  });

  it('writes keys for the owner only, and leaves nothing else behind', () => {
    expect(readdirSync(dir()).sort()).to.deep.equal([
      'ca.crt',
      'ca.key',
      'node-a.crt',
      'node-a.key',
      'node-b.example.crt',
      'node-b.example.key',
    ]);
    expect(mode(dir())).to.equal('700');
    for (const name of ['ca.key', 'node-a.key']) expect(mode(path('lab', name))).to.equal('600');
    expect(mode(path('lab', 'ca.crt'))).to.equal('644');
  });

  it('makes a CA that may issue nodes and nothing else', () => {
    const ca = new X509Certificate(readFileSync(path('lab', 'ca.crt')));
    expect(ca.ca).to.equal(true);
    expect(ca.subject).to.equal('CN=test CA');
    expect(ca.publicKey.asymmetricKeyDetails).to.include({ namedCurve: 'prime256v1' });
    expect(ca.verify(ca.publicKey)).to.equal(true);
    const text = execFileSync('openssl', ['x509', '-in', path('lab', 'ca.crt'), '-noout', '-text'], {
      encoding: 'utf8',
    });
    expect(text).to.match(/Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
    expect(text).to.match(/Key Usage: critical\s+Certificate Sign, CRL Sign/);
    expect(text).to.include('Subject Key Identifier');
  });

  it('makes node certificates for both ends of a handshake, named by their SAN', () => {
    const node = new X509Certificate(readFileSync(path('lab', 'node-b.example.crt')));
    expect(node.subjectAltName).to.equal('DNS:node-b.example');
    expect(node.ca).to.equal(false);
    expect(node.keyUsage).to.have.members(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    expect(node.checkPrivateKey(createPrivateKey(readFileSync(path('lab', 'node-b.example.key'))))).to.equal(true);
    const days = (Date.parse(node.validTo) - Date.now()) / 86_400_000;
    expect(days).to.be.closeTo(10, 0.01);
    expect(Date.parse(node.validFrom)).to.be.lessThan(Date.now() - 60_000);
    const text = execFileSync('openssl', ['x509', '-in', path('lab', 'node-b.example.crt'), '-noout', '-text'], {
      encoding: 'utf8',
    });
    expect(text).to.include('Authority Key Identifier').and.include('ecdsa-with-SHA256');
    expect(text).to.match(/Key Usage: critical\s+Digital Signature\n/);
  });

  it('is accepted by openssl verify, strictly and for both purposes', () => {
    for (const purpose of ['sslclient', 'sslserver']) {
      const args = [
        'verify',
        '-x509_strict',
        '-purpose',
        purpose,
        '-CAfile',
        path('lab', 'ca.crt'),
        path('lab', 'node-a.crt'),
      ];
      expect(execFileSync('openssl', args, { encoding: 'utf8' })).to.match(/: OK\n$/);
    }
  });

  it('carries a mutual TLS 1.3 handshake', async () => {
    const credentials = (node: string) => ({
      ca: readFileSync(path('lab', 'ca.crt')),
      cert: readFileSync(path('lab', `${node}.crt`)),
      key: readFileSync(path('lab', `${node}.key`)),
      minVersion: 'TLSv1.3' as const,
    });
    const server = createServer({ ...credentials('node-a'), requestCert: true, rejectUnauthorized: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const accepted = new Promise<TLSSocket>((resolve) => server.once('secureConnection', resolve));
    const { port } = server.address() as AddressInfo;
    const client = connect({ ...credentials('node-b.example'), host: '127.0.0.1', port, servername: 'node-a' });
    await new Promise<void>((resolve, reject) => client.once('secureConnect', resolve).once('error', reject));
    const peer = await accepted;
    expect(client.authorized).to.equal(true);
    expect(peer.authorized).to.equal(true);
    expect(peer.getPeerCertificate().subjectaltname).to.equal('DNS:node-b.example');
    client.destroy();
    peer.destroy();
    server.close();
  });

  it('issues certificates that have expired, or are not valid yet, on request', async () => {
    await issueNode(dir(), 'old', { days: -1 });
    await issueNode(dir(), 'dated', {
      days: 1,
      notBefore: new Date('2020-01-01T00:00:00Z'),
      notAfter: new Date('2020-02-01T00:00:00Z'),
    });
    const begin = new Date(Date.now() + 86_400_000);
    await issueNode(dir(), 'early', { days: 5, notBefore: begin });
    const verify = (name: string): string =>
      spawnSync('openssl', ['verify', '-CAfile', path('lab', 'ca.crt'), path('lab', `${name}.crt`)], {
        encoding: 'utf8',
      }).stderr;
    expect(verify('old')).to.include('certificate has expired');
    expect(verify('dated')).to.include('certificate has expired');
    expect(verify('early')).to.include('certificate is not yet valid');
    expect(new X509Certificate(readFileSync(path('lab', 'dated.crt'))).validTo).to.equal('Feb  1 00:00:00 2020 GMT');
  });

  it('gives every certificate a serial number of its own', () => {
    const serials = ['ca', 'node-a', 'node-b.example'].map(
      (name) => new X509Certificate(readFileSync(path('lab', `${name}.crt`))).serialNumber,
    );
    expect(new Set(serials).size).to.equal(3);
    for (const serial of serials) expect(serial).to.match(/^[4-7][0-9A-F]{31}$/);
  });

  it('takes node names that are too long for a common name', async () => {
    const name = `${'x'.repeat(60)}.${'y'.repeat(60)}.example`;
    await issueNode(dir(), name, { days: 1 });
    const node = new X509Certificate(readFileSync(path('lab', `${name}.crt`)));
    expect(node.subjectAltName).to.equal(`DNS:${name}`);
    expect(node.subject).to.equal(`CN=${'x'.repeat(60)}`);
  });

  it('does not overwrite without force', async () => {
    const key = readFileSync(path('lab', 'ca.key'), 'utf8');
    const error = await rejected(PkiError, initCa(dir(), { name: 'other', days: 1 }));
    expect(error).to.include({ code: 'TLSHUB_PKI_EXISTS', exitCode: 1 });
    expect(readFileSync(path('lab', 'ca.key'), 'utf8')).to.equal(key);
    expect(await rejected(PkiError, issueNode(dir(), 'node-a', { days: 1 }))).to.include({ code: 'TLSHUB_PKI_EXISTS' });

    const before = readFileSync(path('lab', 'old.crt'), 'utf8');
    chmodSync(path('lab', 'old.key'), 0o644);
    await issueNode(dir(), 'old', { days: 5, force: true });
    expect(readFileSync(path('lab', 'old.crt'), 'utf8')).to.not.equal(before);
    expect(mode(path('lab', 'old.key'))).to.equal('600');
  });

  it('says what is wrong with the CA', async () => {
    expect((await rejected(PkiError, issueNode(path('none'), 'n', { days: 1 }))).message)
      .to.include('no usable CA')
      .and.include('ENOENT');
    mkdirSync(path('mixed'), { mode: 0o700 });
    await initCa(path('second'), { name: 'second', days: 1 });
    copyFileSync(path('lab', 'ca.crt'), path('mixed', 'ca.crt'));
    copyFileSync(path('second', 'ca.key'), path('mixed', 'ca.key'));
    const error = await rejected(PkiError, issueNode(path('mixed'), 'n', { days: 1 }));
    expect(error.code).to.equal('TLSHUB_PKI_CA');
    expect(error.message).to.include('ca.key does not belong to ca.crt');
    writeFileSync(path('mixed', 'ca.key'), 'no PEM');
    expect(await rejected(PkiError, issueNode(path('mixed'), 'n', { days: 1 }))).to.include({ code: 'TLSHUB_PKI_CA' });
  });

  it('refuses names, periods and folders that cannot be', async () => {
    for (const name of ['', '*.x', '../x', 'a b', '10.0.0.1', 'ca', 'CA', 'a/b', '-x']) {
      expect((await rejected(UsageError, issueNode(dir(), name, { days: 1 }))).exitCode, name).to.equal(64);
    }
    for (const name of ['', ' ', 'x'.repeat(65), 'a\nb'])
      await rejected(UsageError, initCa(path('x'), { name, days: 1 }));
    await rejected(UsageError, issueNode(dir(), 'n', { days: Number.NaN }));
    await rejected(UsageError, issueNode(dir(), 'n', { days: 1, notAfter: new Date('nonsense') }));
    await rejected(UsageError, issueNode(dir(), 'n', { days: 1, notBefore: new Date(Date.now() + 2 * 86_400_000) }));

    mkdirSync(path('open'));
    chmodSync(path('open'), 0o777);
    expect((await rejected(PkiError, initCa(path('open'), { name: 'x', days: 1 }))).message).to.include(
      'writable for others',
    );
    writeFileSync(path('file'), '');
    expect(await rejected(PkiError, initCa(path('file', 'sub'), { name: 'x', days: 1 }))).to.include({
      code: 'TLSHUB_PKI_IO',
    });
  });
});
