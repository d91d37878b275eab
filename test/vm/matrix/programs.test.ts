// SPDX-License-Identifier: Apache-2.0
/** The main job on real programs, with OpenSSL's keys on both nodes. */
import { readFileSync, statSync } from 'node:fs';
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { DEFAULT_CIPHER, mutualTls } from '../harness/mutual-tls.js';
import { watchStandstill, type Watch } from '../harness/standstill.js';
import { holdSleeps, stops } from '../unnoticed/support.js';
import { at, digestOf, makeContent } from './files.js';
import {
  matrixContent,
  programTests,
  startServers,
  worked,
  type MatrixContent,
  type MatrixServers,
} from './programs.js';
import { PORTS } from './servers.js';
import { CIPHER_NUMBERS, dissect, expectReadable } from './tshark.js';

const KEY_LOG = '/tmp/matrix-keys.log';
const MEGABYTES = 10;

describe('unmodified programs speak mutual TLS 1.3', () => {
  let content: MatrixContent;
  let running: MatrixServers;
  /** Where callers are put to sleep. */
  let standstill: { watch: Watch; stopsBefore: unknown[] } | undefined;

  before(async function () {
    this.timeout(240_000);
    content = matrixContent(MEGABYTES);
    await lab.need({ set: { keylog_file: KEY_LOG } });
    if (await holdSleeps()) standstill = { stopsBefore: await stops(), watch: watchStandstill() };
    running = await startServers();
  });

  programTests({ world: () => ({ content, running }), megabytes: MEGABYTES });

  it('tshark reads HTTP in the capture with the key log of the test run, and none without', async () => {
    const small = makeContent('small', 1000, true);
    await mutualTls({ port: PORTS.nginx, secrets: small.secrets }, async () => {
      worked(await lab.exec('a', ['curl', '-sSf', '-o', at('out'), `http://10.77.0.2:${PORTS.nginx}/small`]));
    });
    expect(statSync(KEY_LOG).mode & 0o777).to.equal(0o600);
    const cipher = CIPHER_NUMBERS[DEFAULT_CIPHER];
    const [without] = await Promise.all([
      dissect(PORTS.nginx),
      expectReadable(PORTS.nginx, KEY_LOG, cipher, '/small', readFileSync(small.path, 'latin1').slice(0, 60)),
    ]);
    expect(without).to.deep.equal([[cipher]]);
  });

  it('leaves programs alone that talk over loopback', async () => {
    const known = (await lab.flows('b')).length;
    worked(await lab.exec('b', ['curl', '-sSf', '-o', at('out'), `http://127.0.0.1:${PORTS.nginx}/file`]));
    expect(digestOf(at('out'))).to.equal(content.file.sha256);
    const flows = (await lab.flows('b')).slice(known);
    expect(
      flows.filter(({ state, kernelUlp }) => state !== 'plaintext' && (state !== 'closed' || kernelUlp !== null)),
    ).to.deep.equal([]);
  });

  it('not once does a process of theirs stand still', async function () {
    if (standstill === undefined) return this.skip();
    const { looks, seen } = await standstill.watch.end();
    expect(looks, 'looks at all processes').to.be.greaterThan(1000);
    expect(seen, 'processes that were seen to stand still').to.deep.equal([]);
    expect(await stops(), 'stops on both nodes, before and after').to.deep.equal(standstill.stopsBefore);
  });
});
