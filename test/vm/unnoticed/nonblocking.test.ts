// SPDX-License-Identifier: Apache-2.0
/** Programs that do not block, and take it for granted that a connection which is there takes its first bytes, as plain TCP does. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { lab, type Program } from '../harness/index.js';
import { detailedFlows } from '../harness/mutual-tls.js';
import { at, digestOf, makeContent, makeFolder, type Content } from '../matrix/files.js';
import * as servers from '../matrix/servers.js';
import { B, inThePatientLab, withoutStops } from './support.js';

const HTTP2 = 7140;
const RSYNC = 7141;
const PGBOUNCER = 7142;
const FETCHES = 4;

describe('a program that does not block', () => {
  let postgres: Promise<Program>;
  let file: Content;

  inThePatientLab();
  withoutStops();
  before(() => {
    makeFolder();
    file = makeContent('file', 200_000);
    postgres = servers.postgres(); // takes 20 s under emulation: beside the other tests
    postgres.catch(() => undefined); // its test tells
  });

  it('is curl, which speaks HTTP/2 from the first byte on', async () => {
    const config = `daemon off; worker_processes 1; pid ${at('http2.pid')}; error_log stderr; user root; events {}
      http { access_log off; server { listen ${HTTP2} http2; root ${at('')}; } }`;
    writeFileSync(at('http2.conf'), config);
    const server = lab.spawn('b', ['nginx', '-c', at('http2.conf')]);
    await server.listening(HTTP2);
    for (let i = 0; i < FETCHES; i++) {
      const fetch = ['curl', '-sSf', '--http2-prior-knowledge', '-w', '%{http_version}', '-o', at('out')];
      const { code, stdout, stderr } = await lab.exec('a', [...fetch, `http://${B}:${HTTP2}/file`]);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.equal('2');
      expect(digestOf(at('out'))).to.equal(file.sha256);
    }
    await server.stop();
  });

  it('is the daemon of rsync: files come and go', async () => {
    const names = ['one', 'two', 'three'];
    for (const folder of ['source', 'target', 'got']) mkdirSync(at(folder));
    const contents = names.map((name, i) => makeContent(`source/${name}`, 20_000 * (i + 1)));
    const module = (name: string): string => `[${name}]\npath = ${at(name)}\nread only = no\n`;
    writeFileSync(at('rsyncd.conf'), `use chroot = no\nuid = root\ngid = root\n${module('source')}${module('target')}`);
    const flags = ['--daemon', '--no-detach', '--address=0.0.0.0', `--port=${RSYNC}`, `--config=${at('rsyncd.conf')}`];
    const server = lab.spawn('b', ['rsync', ...flags]);
    await server.listening(RSYNC);
    const address = (name: string): string => `rsync://${B}:${RSYNC}/${name}/`;
    for (const [from, to, folder] of [
      [address('source'), at('got'), 'got'],
      [at('source/'), address('target'), 'target'],
    ] as const) {
      const { code, stderr } = await lab.exec('a', ['rsync', '-a', from, to]);
      expect(code, `${folder}: ${stderr}`).to.equal(0);
      expect(names.map((name) => digestOf(at(`${folder}/${name}`)))).to.deep.equal(
        contents.map(({ sha256 }) => sha256),
      );
    }
    await server.stop();
  });

  it('is pgbouncer before PostgreSQL: each query has its answer', async function () {
    this.timeout(240_000);
    await postgres;
    const config = [
      ...['[databases]', `* = host=${B} port=${servers.PORTS.postgres} user=postgres`],
      ...['[pgbouncer]', 'listen_addr = 127.0.0.1', `listen_port = ${PGBOUNCER}`, 'unix_socket_dir =', 'user = nobody'],
      ...['auth_type = any', 'pool_mode = transaction', 'server_lifetime = 0'],
    ];
    writeFileSync(at('pgbouncer.ini'), config.join('\n') + '\n', { mode: 0o644 });
    const pooler = lab.spawn('a', ['pgbouncer', at('pgbouncer.ini')]);
    await pooler.listening(PGBOUNCER);
    const target = ['-h', '127.0.0.1', '-p', String(PGBOUNCER), '-U', 'postgres', 'postgres'];
    const psql = (query: string) => lab.exec('a', [`${servers.POSTGRES_BIN}/psql`, '-XqtA', ...target, '-c', query]);
    for (const length of [1, 50_000]) {
      const { code, stdout, stderr } = await psql(`select repeat('x', ${length})`);
      expect(code, stderr + pooler.stderr).to.equal(0);
      expect(stdout).to.equal(`${'x'.repeat(length)}\n`);
    }
    const asked = (await detailedFlows('a')).filter(
      ({ dport, secured }) => dport === servers.PORTS.postgres && secured,
    );
    expect(asked.length, 'connections of pgbouncer to PostgreSQL').to.be.greaterThan(1);
    await pooler.stop();
  });

  describe('of PostgreSQL', () => {
    const bin = (name: string): string => `${servers.POSTGRES_BIN}/${name}`;
    const target = ['-h', B, '-p', String(servers.PORTS.postgres), '-U', 'postgres', 'postgres'];

    before(async function () {
      this.timeout(240_000);
      await postgres;
    });

    it('is pgbench, which connects for each transaction', async () => {
      writeFileSync(at('transaction.sql'), 'select 1;\n', { mode: 0o644 });
      const counts = ['-n', '-C', '-c', '4', '-j', '2', '-t', '4', '-f', at('transaction.sql')];
      const { code, stdout, stderr } = await lab.exec('a', [bin('pgbench'), ...counts, ...target]);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.include('number of transactions actually processed: 16/16');
    });

    it('is psql, which is given a host that refuses before the one that is there', async () => {
      const hosts = `host=${B},${B} port=${servers.PORTS.postgres + 1},${servers.PORTS.postgres} user=postgres`;
      const { code, stdout, stderr } = await lab.exec('a', [bin('psql'), hosts, '-XqtAc', 'select 42']);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.equal('42\n');
    });
  });
});
