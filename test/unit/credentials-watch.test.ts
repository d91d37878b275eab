// SPDX-License-Identifier: Apache-2.0
/** Certificates: checked at the start as at a reload, shown, and taken up by themselves when their files change. Never half a pair is in force. */
import { expect } from 'chai';
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { loadConfig } from '../../src/config/load.js';
import { CredentialsError, EXIT } from '../../src/shared/errors/errors.js';
import { certificateReports } from '../../src/supervisor/settings/certificates.js';
import { CredentialsWatch } from '../../src/supervisor/settings/credentials-watch.js';
import { firstSettings } from '../../src/supervisor/settings/in-force.js';
import { MappingSources } from '../../src/supervisor/settings/mapping-sources.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { World } from '../fakes/reload-world.js';
import { NodeFiles } from '../fakes/settings.js';
import { temporaryFolder } from './support/temporary.js';

describe('certificates', () => {
  const folder = temporaryFolder();
  let files: NodeFiles;
  let world: World;
  let watch: CredentialsWatch;

  /** As housekeeping does it every few seconds. */
  async function look(): Promise<void> {
    if (watch.look()) await world.reloader.credentialsChanged();
  }

  /** What is in force: whose certificate, by which CA, and whether the key is that of the certificate. */
  function inForce(): string {
    const [node] = certificateReports(world.inForce.current);
    const { certPem, keyPem } = world.inForce.current.credentials;
    const pair = ['pki', 'next'].find((name) => readFileSync(folder('made', name, 'a.crt'), 'utf8') === certPem);
    const whole = pair !== undefined && readFileSync(folder('made', pair, 'a.key'), 'utf8') === keyPem;
    return `${node?.issuer}, ${whole ? 'a pair' : 'NO PAIR'}`;
  }

  const made = (pki: string, name: string): string => folder('made', pki, name);
  const put = (pki: string, name: string): void => copyFileSync(made(pki, name), folder('node', 'pki', name));

  before(async () => {
    const maker = await NodeFiles.make(folder('made'));
    await maker.certificates('next');
    await maker.certificates('expired', { days: -1 });
    await maker.certificates('named', { node: 'z' });
    files = await NodeFiles.make(folder('node'));
  });

  beforeEach(async () => {
    rmSync(folder('node', 'pki'), { recursive: true });
    mkdirSync(folder('node', 'pki'));
    for (const name of ['ca.crt', 'a.crt', 'a.key']) put('pki', name);
    files.write();
    world = await World.make(files);
    watch = new CredentialsWatch(() => world.inForce.config);
    await look();
    await look();
    world.said();
  });

  const BAD = {
    'has expired': { pki: 'expired', node: 'a', says: /a\.crt: tls\.cert: the certificate of a has expired/ },
    "is another node's": { pki: 'named', node: 'z', says: /z\.crt: tls\.cert: the certificate names DNS:z, and this/ },
  };
  for (const [what, { pki, node, says }] of Object.entries(BAD)) {
    it(`that ${what} is an error of the configuration at the start`, async () => {
      files.write({
        'tls.ca': made(pki, 'ca.crt'),
        'tls.cert': made(pki, `${node}.crt`),
        'tls.key': made(pki, `${node}.key`),
      });
      const sources = new MappingSources(memoryLogger().log);
      const error: unknown = await firstSettings(loadConfig(files.config), sources).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(CredentialsError);
      expect((error as CredentialsError).message).to.match(says);
      expect((error as CredentialsError).exitCode).to.equal(EXIT.config);
    });
  }

  it('are shown: the one of the node first, then those that it trusts, with which of them it is of', () => {
    const ca = `${readFileSync(made('pki', 'ca.crt'), 'utf8')}${readFileSync(made('next', 'ca.crt'), 'utf8')}`;
    const { current } = world.inForce;
    const reports = certificateReports({ ...current, credentials: { ...current.credentials, caPem: ca } });
    expect(
      reports.map(({ key, subject, issuer, names, inUse }) => ({ key, subject, issuer, names, inUse })),
    ).to.deep.equal([
      { key: 'tls.cert', subject: 'a', issuer: 'CA of pki', names: 'DNS:a', inUse: true },
      { key: 'tls.ca', subject: 'CA of pki', issuer: 'CA of pki', names: '', inUse: true },
      { key: 'tls.ca', subject: 'CA of next', issuer: 'CA of next', names: '', inUse: false },
    ]);
    for (const { notBefore, notAfter, serial } of reports) {
      expect(Date.parse(notBefore)).to.be.lessThan(Date.now());
      expect(Date.parse(notAfter)).to.be.greaterThan(Date.now());
      expect(serial).to.match(/^[0-9A-F]+$/);
    }
  });

  it('are left alone while nothing changes, also when the files are written anew as they were', async () => {
    await look();
    put('pki', 'a.crt');
    await look();
    await look();
    expect(world.said()).to.deep.equal([]);
    expect(world.reloader.counts).to.deep.equal({ succeeded: 0, failed: 0 });
    expect(world.made).to.have.length(0);
  });

  it('are taken up when files change one after the other, and never by halves', async () => {
    for (const name of ['ca.crt', 'a.crt', 'a.key']) {
      put('next', name);
      await look();
      expect(inForce(), name).to.equal('CA of pki, a pair');
    }
    await look();
    expect(inForce()).to.equal('CA of next, a pair');
    const said = world.said().join('\n');
    expect(said).to.include('changed: tls.ca: now trusts CA of next');
    expect(said).to.match(/changed: tls\.cert: now a \(.*issued by CA of next/);
    expect(world.reloader.lastCredentialsError).to.equal(null);
    expect(world.reloader.counts).to.deep.equal({ succeeded: 1, failed: 0 });
  });

  it('stay as they are as long as half of a pair is there, or half of a file, and the log says so once', async () => {
    for (const name of ['ca.crt', 'a.crt']) put('next', name);
    for (let looks = 0; looks < 4; looks++) await look();
    expect(inForce()).to.equal('CA of pki, a pair');
    expect(world.said()).to.deep.equal(['the new certificates were not taken up: those in force stay']);
    expect(world.reloader.lastCredentialsError).to.include({ file: folder('node', 'pki', 'a.key'), key: 'tls.key' });

    const key = readFileSync(made('next', 'a.key'), 'utf8');
    writeFileSync(folder('node', 'pki', 'a.key'), key.slice(0, key.length / 2));
    for (let looks = 0; looks < 4; looks++) await look();
    expect(inForce()).to.equal('CA of pki, a pair');
    expect(world.said()).to.have.length(1);

    writeFileSync(folder('node', 'pki', 'a.key'), key);
    for (let looks = 0; looks < 2; looks++) await look();
    expect(inForce()).to.equal('CA of next, a pair');
    expect(world.reloader.lastCredentialsError).to.equal(null);
  });

  it("are taken up from a folder of Kubernetes' secrets, where a link in front of the folder is renamed", async () => {
    const secret = folder('secret');
    for (const pki of ['pki', 'next']) {
      mkdirSync(`${secret}/..${pki}`, { recursive: true });
      for (const name of ['ca.crt', 'a.crt', 'a.key']) copyFileSync(made(pki, name), `${secret}/..${pki}/${name}`);
    }
    symlinkSync('..pki', `${secret}/..data`);
    for (const name of ['ca.crt', 'a.crt', 'a.key']) symlinkSync(`..data/${name}`, `${secret}/${name}`);
    files.write({ 'tls.ca': `${secret}/ca.crt`, 'tls.cert': `${secret}/a.crt`, 'tls.key': `${secret}/a.key` });
    await world.reloader.reload();
    await look();
    await look();
    expect(inForce()).to.equal('CA of pki, a pair');

    symlinkSync('..next', `${secret}/..data_tmp`);
    renameSync(`${secret}/..data_tmp`, `${secret}/..data`);
    await look();
    await look();
    expect(inForce()).to.equal('CA of next, a pair');
  });

  it('are not taken up when tls.watch is off, nor when they have expired or are gone', async () => {
    for (const name of ['ca.crt', 'a.crt', 'a.key']) put('expired', name);
    for (let looks = 0; looks < 3; looks++) await look();
    expect(inForce()).to.equal('CA of pki, a pair');
    expect(world.reloader.lastCredentialsError?.error.message).to.match(/has expired/);
    rmSync(folder('node', 'pki', 'a.key'));
    for (let looks = 0; looks < 3; looks++) await look();
    expect(world.reloader.lastCredentialsError?.error.message).to.match(/a\.key: tls\.key: cannot read it/);

    for (const name of ['ca.crt', 'a.crt', 'a.key']) put('pki', name);
    files.write({ 'tls.watch': false });
    await world.reloader.reload();
    expect(world.reloader.lastCredentialsError).to.equal(null);
    for (const name of ['ca.crt', 'a.crt', 'a.key']) put('next', name);
    for (let looks = 0; looks < 3; looks++) await look();
    expect(inForce()).to.equal('CA of pki, a pair');
  });

  it('are not taken up by an agent that is draining', async () => {
    world.draining = true;
    for (const name of ['ca.crt', 'a.crt', 'a.key']) put('next', name);
    for (let looks = 0; looks < 3; looks++) await look();
    expect(inForce()).to.equal('CA of pki, a pair');
  });
});
