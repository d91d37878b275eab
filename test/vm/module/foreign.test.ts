// SPDX-License-Identifier: Apache-2.0
/** The TLSHub kernel module and a node that has another one: what it says is what docs/TLSHUB_MODULE.md says. */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { lab, waitFor } from '../harness/index.js';
import type { Program } from '../harness/program.js';
import { KeyPair } from './noise.js';
import { last, report, TYPE } from './support.js';

const PROGRAM = ['node', fileURLToPath(new URL('./foreign-peer.js', import.meta.url))];
const PORT = 9000;
const ZEROS = '00'.repeat(32);

interface Outcome {
  peer: string;
  acknowledged: boolean;
  masterKey: string;
}

describe('the TLSHub kernel module and a node with another one', function () {
  this.timeout(120_000);
  let modulesKey: string;
  let secret: string;

  before(async () => {
    await lab.up({ bare: true, module: true });
    modulesKey = (await report('a')).publicKey ?? '';
  });
  after(() => lab.down());

  /** Makes it known to node a, and begins it. */
  async function foreign(role: string, preshared: string, ...tuple: string[]): Promise<Program> {
    secret = randomBytes(32).toString('hex');
    const key = new KeyPair(Buffer.from(secret, 'hex')).public.toString('hex');
    const networks = 'network=10.77.0.3/32 replace';
    await last('a', `peer c key=${key} psk=${preshared} endpoint=10.77.0.3:${PORT} ${networks}`);
    return lab.spawn('c', [...PROGRAM, role, secret, modulesKey, preshared, `${PORT}`, '10.77.0.1:9467', ...tuple]);
  }

  async function outcomeOf(program: Program): Promise<Outcome> {
    const { code, stdout, stderr } = await program.ended;
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout) as Outcome;
  }

  for (const preshared of [ZEROS, randomBytes(32).toString('hex')]) {
    const how = preshared === ZEROS ? 'without a pre-shared key' : 'with one';

    it(`answers its handshake and has the key that it announces, ${how}`, async () => {
      const tuple = ['10.77.0.3', '5000', '10.77.0.1', '443'];
      const program = await foreign('initiator', preshared, ...tuple);
      const outcome = await outcomeOf(program);
      expect(outcome.acknowledged).to.equal(true);
      const fetched = await last('a', `fetch4 ${tuple.join(' ')} server`);
      expect(fetched).to.include({ status: 0, key: outcome.masterKey });
    });

    it(`makes a session with it, and a key that it can work out, ${how}`, async () => {
      const program = await foreign('responder', preshared);
      await waitFor(() => program.stderr.includes('ready'), 30_000, 'the other node');
      const tuple = '10.77.0.1 6000 10.77.0.3 443';
      const started = await last('a', `start4 ${tuple}`);
      expect(started.type, `${started.text} ${program.stderr}`).to.be.oneOf([TYPE.first, TYPE.done]);
      const outcome = await outcomeOf(program);
      expect(outcome.peer).to.equal(modulesKey);
      expect(await last('a', `fetch4 ${tuple}`)).to.include({ status: 0, key: outcome.masterKey });
    });
  }

  it('another pre-shared key: no session and no key', async () => {
    const program = await foreign('initiator', ZEROS, '10.77.0.3', '5001', '10.77.0.1', '443');
    await program.stop();
    const before = await report('a');
    const other = randomBytes(32).toString('hex');
    await last('a', `peer c psk=${other} update`);
    const arguments_ = [
      secret,
      modulesKey,
      ZEROS,
      `${PORT}`,
      '10.77.0.1:9467',
      '10.77.0.3',
      '5001',
      '10.77.0.1',
      '443',
    ];
    const wrong = lab.spawn('c', [...PROGRAM, 'initiator', ...arguments_]);
    const { code, stderr } = await wrong.ended;
    expect(code).to.not.equal(0);
    expect(stderr).to.include('unable to authenticate data');
    expect((await report('a')).counters.keysTaken).to.equal(before.counters.keysTaken);
  });
});
