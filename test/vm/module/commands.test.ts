// SPDX-License-Identifier: Apache-2.0
/** The TLSHub module set up by `tlshubctl tlshub` alone, as docs/TLSHUB_MODULE.md has it: two nodes with new keys share keys, and what it shows is what the module says. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type { ModuleFlow, ModuleNode, ModulePeer } from '../../../src/tlshub/module/control.js';
import { lab, type Node, type Result } from '../harness/index.js';
import { ask, complaints, last, report, TYPE, type Answer } from './support.js';

const CTL = ['node', resolve('dist/cli/tlshubctl.js')];
const NODES = ['a', 'b'] as const;
const ADDRESS = { a: '10.77.0.1', b: '10.77.0.2' } as const;
let port = 24_000;
const fresh = (): string => `10.77.0.1 ${port++} 10.77.0.2 443`;

const ctl = (node: Node, ...args: string[]): Promise<Result> =>
  lab.exec(node, [...CTL, 'tlshub', ...args], { outside: true });

async function done(node: Node, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await ctl(node, ...args);
  expect(code, stderr).to.equal(0);
  return stdout;
}

describe('tlshubctl tlshub', function () {
  this.timeout(120_000);
  let folder: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tlshub-commands-'));
    await lab.up({ bare: true, module: true });
  });
  after(async () => {
    await lab.down();
    rmSync(folder, { recursive: true });
  });

  it('shows what the module says', async () => {
    const node = JSON.parse(await done('a', 'show', '--json')) as ModuleNode;
    const said = await report('a');
    expect(Buffer.from(node.publicKey ?? '', 'base64').toString('hex')).to.equal(said.publicKey);
    expect(node.networks).to.have.members(['10.77.0.1', 'fd77::1']);
    expect(node.listenPort).to.equal(9467);
    expect(await done('a', 'show')).to.include('UDP port 9467');
    const [peer] = JSON.parse(await done('a', 'peers', '--json')) as ModulePeer[];
    expect(peer).to.include({ name: 'b', endpoint: '10.77.0.2:9467' });
  });

  it('gives two nodes new keys, after which they share keys of connections again, and not before', async () => {
    const keys = new Map<Node, string>();
    for (const node of NODES) {
      const file = join(folder, `${node}.key`);
      writeFileSync(file, await done(node, 'genkey'), { mode: 0o600 });
      keys.set(node, (await done(node, 'pubkey', '--private-key', file)).trim());
      await done(node, 'set', '--private-key', file, '--networks', `${ADDRESS[node]}/32`, '--replace-networks');
      await done(node, 'set', '--start-ms', '1000');
    }
    expect(await last('a', `start4 ${fresh()}`)).to.include({ type: TYPE.failed });
    for (const [node, other] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const endpoint = `${ADDRESS[other]}:9467`;
      await done(node, 'set-peer', other, '--public-key', keys.get(other) ?? '', '--endpoint', endpoint);
    }
    const tuple = fresh();
    const [made, one] = (await ask('a', `start4 ${tuple}`, `fetch4 ${tuple}`)) as [Answer, Answer];
    expect(made).to.include({ type: TYPE.first });
    const [peer] = JSON.parse(await done('b', 'peers', '--json')) as ModulePeer[];
    expect(peer).to.include({ name: 'a', state: 'session', keysTaken: 1, publicKey: keys.get('a') });
    expect(peer?.sessionAgeMs).to.be.at.least(0);
    const waiting = JSON.parse(await done('b', 'keys', '--json')) as ModuleFlow[];
    expect(waiting).to.have.length(1);
    expect(waiting[0]).to.include({ server: '10.77.0.2:443', role: 'server', state: 'ready', peer: 'a' });
    expect(await done('b', 'keys')).to.not.include(one.key);
    expect((await last('b', `fetch4 ${tuple} server`)).key).to.equal(one.key);
    expect(await done('b', 'keys')).to.equal('no keys\n');
  });

  it('forgets a peer', async () => {
    await done('a', 'remove-peer', 'b');
    expect(await done('a', 'peers')).to.include('no peers');
    const { code, stderr } = await ctl('a', 'remove-peer', 'b');
    expect(code).to.equal(1);
    expect(stderr).to.include('tlshubctl tlshub peers');
  });

  it("repeats the kernel's own words for what it refuses", async () => {
    const { code, stderr } = await ctl('a', 'set-peer', 'c', '--endpoint', '10.77.0.9:9467');
    expect(code).to.equal(1);
    expect(stderr).to.include('a new peer has to have a public key');
    const own = JSON.parse(await done('a', 'show', '--json')) as ModuleNode;
    const itself = await ctl('a', 'set-peer', 'c', '--public-key', own.publicKey ?? '');
    expect(itself.stderr).to.include("this is the node's own key");
    expect((await ctl('a', 'set', '--networks', '10.1.0.5/16')).code).to.not.equal(0);
    expect(complaints()).to.deep.equal([]);
  });

  it('needs the right to administer the network', async () => {
    const { code, stderr } = await lab.exec(
      'a',
      ['setpriv', '--reuid=65534', '--clear-groups', ...CTL, 'tlshub', 'show'],
      {
        outside: true,
      },
    );
    expect(code, stderr).to.equal(77);
  });
});
