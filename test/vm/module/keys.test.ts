// SPDX-License-Identifier: Apache-2.0
/** The TLSHub kernel module between two nodes: each answer of docs/TLSHUB_API.md, the extensions of TLSHUB_MODULE.md, and its limits. */
import { execFileSync, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor } from '../harness/index.js';
import { ask, complaints, EXPIRED, isLoaded, last, NONE, report, TYPE, type Answer, type Many } from './support.js';

let port = 20_000;
/** A tuple from a to b that was not used before. */
const fresh = (): string => `10.77.0.1 ${port++} 10.77.0.2 443`;
const fresh6 = (): string => `fd77::1 ${port++} fd77::2 443`;

describe('the TLSHub kernel module', function () {
  this.timeout(120_000);
  before(() => lab.up({ bare: true, module: true }));
  after(() => lab.down());

  it('is ready, and says what it can beyond the public messages where an older client does not look', async () => {
    const answer = await last('a', 'init');
    expect(answer).to.include({ type: TYPE.ready, text: 'TLSHub is ready', magic: 'TSHx', features: 31, length: 144 });
  });

  it("makes keys for the original's sample, the first handshake of two nodes once", async () => {
    const program = ['node', resolve('dist/cli/tlshub_handshake.js'), '10.77.0.1', '10.77.0.2'];
    const { code, stdout, stderr } = await lab.exec('a', program, { outside: true });
    expect(code, stderr).to.equal(0);
    const lines = stdout.trim().split('\n');
    expect(lines.map((line) => line.split(': ').at(-1))).to.deep.equal(['first', 'done', 'done']);
  });

  it('gives a key once to each side, the same one, and another one for the next connection', async () => {
    const tuple = fresh();
    const steps = [`fetch4 ${tuple}`, `start4 ${tuple}`, `start4 ${tuple}`, `fetch4 ${tuple}`, `fetch4 ${tuple}`];
    const [before, made, again, one, gone] = (await ask('a', ...steps)) as [Answer, Answer, Answer, Answer, Answer];
    expect(before).to.include({ type: TYPE.key, status: NONE });
    expect(made).to.include({ type: TYPE.done });
    expect(again).to.include({ type: TYPE.connected });
    expect(one).to.include({ type: TYPE.key, status: 0 });
    expect(one.key).to.match(/^[0-9a-f]{64}$/);
    expect(gone).to.include({ status: NONE });
    const [other, goneThere] = (await ask('b', `fetch4 ${tuple} server`, `fetch4 ${tuple} server`)) as [Answer, Answer];
    expect(other.key).to.equal(one.key);
    expect(goneThere).to.include({ status: NONE });
    const [, next] = (await ask('a', `start4 ${tuple}`, `fetch4 ${tuple}`)) as [Answer, Answer];
    expect(next.key)
      .to.match(/^[0-9a-f]{64}$/)
      .and.to.not.equal(one.key);
    expect((await last('b', `fetch4 ${tuple} server`)).key).to.equal(next.key);
  });

  it('has keys for IPv6, which come with the answer; the other side waits for them and does not ask again', async () => {
    const tuple = fresh6();
    const waiting = last('b', `fetch ${tuple} server wait=20000`);
    await waitFor(async () => (await report('b')).waiters === 1, 20_000, 'a request that waits');
    const made = await last('a', `start ${tuple} key`);
    expect(made).to.include({ type: TYPE.done, status: 0 });
    expect((await waiting).key)
      .to.equal(made.key)
      .and.to.match(/^[0-9a-f]{64}$/);
    expect((await report('b')).waiters).to.equal(0);
  });

  it('a wait ends with its time, with its cancellation, and with its socket', async () => {
    const present = (await report('b')).flows;
    expect(await last('b', `fetch ${fresh()} server wait=50`)).to.include({ status: NONE });
    const steps = [`send fetch ${fresh()} server wait=60000`, 'cancel 0', 'receive 200', 'get'];
    const [, , received, state] = await ask<unknown>('b', ...steps);
    expect(received).to.deep.equal([]);
    expect(state).to.include({ waiters: 0, flows: present });
    const closed = await last('b', `send fetch ${fresh()} server wait=60000`, 'get', 'close', 'get');
    expect(closed).to.include({ waiters: 0, flows: present });
  });

  it('never gives the key of one connection to another one of the same ports, where they have numbers', async () => {
    const tuple = fresh();
    const early = await last('a', `start ${tuple} ident=7`, `fetch ${tuple} ident=8`);
    expect(early).to.include({ status: NONE });
    expect(await last('b', `fetch ${tuple} server ident=8`)).to.include({ status: NONE });
    const made = await last('a', `start ${tuple} ident=8 key`);
    expect(made).to.include({ type: TYPE.done, status: 0 });
    const [old, current] = (await ask('b', `fetch ${tuple} server ident=7`, `fetch ${tuple} server ident=8`)) as [
      Answer,
      Answer,
    ];
    expect(old).to.include({ status: NONE });
    expect(current.key).to.equal(made.key);
  });

  it('a key that nobody fetches expires on both sides, the shorter time counts, and the next one is another', async () => {
    await last('a', 'set lifetime=400');
    const tuple = fresh();
    expect(await last('a', `start4 ${tuple}`)).to.include({ type: TYPE.done });
    await last('a', 'sleep 600');
    expect(await last('a', `fetch4 ${tuple}`)).to.include({ status: EXPIRED });
    expect(await last('b', `fetch4 ${tuple} server`)).to.include({ status: EXPIRED });
    await last('a', 'set lifetime=60000');
    const made = await last('a', `start ${tuple} key`);
    expect(made).to.include({ type: TYPE.done, status: 0 });
    expect((await last('b', `fetch4 ${tuple} server`)).key).to.equal(made.key);
  });

  it('says why it makes no key: an address that is not ours, one that nobody has, a peer that does not take it', async () => {
    const present = (await report('b')).flows;
    const notOurs = await last('a', 'start4 10.77.0.3 1 10.77.0.2 443');
    expect(notOurs).to.include({ type: TYPE.failed });
    expect(notOurs.text).to.include('10.77.0.3 is no pod of this node');
    expect((await last('a', 'start4 10.77.0.1 1 10.99.0.1 443')).text).to.include('no node is known to have 10.99.0.1');
    // Node a is told that b has another pod, which b does not know of: a peer that announces what is not its own looks the same.
    await last('a', 'peer b network=10.88.0.0/16 update');
    const refused = await last('a', 'start4 10.77.0.1 1 10.88.1.1 443');
    expect(refused).to.include({ type: TYPE.failed });
    expect(refused.text).to.include('b does not take it');
    expect((await report('b')).counters.refusedNetwork).to.equal(1);
    expect((await report('b')).flows).to.equal(present);
  });

  it('takes no request and no control from who has no CAP_NET_ADMIN, and no nonsense from anybody', async () => {
    const program = resolve('test/programs/tlshub-module.py');
    const steps = ['init', `fetch4 ${fresh()}`, 'get'];
    const { code, stdout, stderr } = await lab.exec('a', ['/usr/bin/python3', program, ...steps], {
      outside: true,
      user: 'nobody',
    });
    expect(code, stderr).to.equal(0);
    for (const line of stdout.trim().split('\n')) {
      expect((JSON.parse(line) as Answer).error).to.equal('Operation not permitted');
    }
    const nonsense = [
      'raw 0',
      'raw 0 00',
      `raw 0x20 ${'ff'.repeat(56)}`,
      'raw 0x7f',
      `raw 0 ${'00'.repeat(12)}0a000000`,
    ];
    for (const answer of await ask('a', ...nonsense)) expect(answer.error, JSON.stringify(answer)).to.be.a('string');
  });

  it('10,000 connections, 100 at once: each its own key, the same at both ends, and nothing left', async () => {
    const present = { a: (await report('a')).flows, b: (await report('b')).flows };
    const there = last<Many>('b', 'collect 10000 100 10.77.0.1 10.77.0.2 8000');
    await waitFor(async () => (await report('b')).waiters > 0, 30_000, 'requests that wait');
    const here = await last<Many>('a', 'many 10000 100 10.77.0.1 10.77.0.2 8000');
    expect(here).to.deep.include({ done: 10_000, distinct: 10_000, others: {} });
    expect(await there).to.deep.include({ done: 10_000, others: {}, hash: here.hash });
    for (const node of ['a', 'b'] as const) {
      expect(await report(node)).to.include({ flows: present[node], waiters: 0 });
    }
  });

  it('another key on one node: the peer that has not heard of it gets none, and gets some when it has', async () => {
    const key = 'c'.repeat(64);
    const { publicKey } = await last<{ publicKey: string }>('b', `set key=${key} start=1500`, 'get');
    await last('a', 'set start=1500');
    const failed = await last('a', `start4 ${fresh()}`);
    expect(failed).to.include({ type: TYPE.failed });
    expect(failed.text).to.include('no handshake with b at 10.77.0.2 port 9467');
    await last('a', `peer b key=${publicKey} update`, 'set start=10000');
    expect(await last('a', `start4 ${fresh()}`)).to.include({ type: TYPE.first });
  });

  it('a namespace that ends while keys are made takes nothing with it', async () => {
    const [own, peer] = ['tlshub-gone', 'tlshub-net'];
    execFileSync('ip', ['netns', 'add', own]);
    execFileSync('ip', ['-n', peer, 'link', 'add', 'vgone', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', own]);
    execFileSync('ip', ['-n', peer, 'link', 'set', 'vgone', 'master', 'br0', 'up']);
    execFileSync('ip', ['-n', own, 'address', 'add', '10.77.0.9/24', 'dev', 'eth0']);
    execFileSync('ip', ['-n', own, 'link', 'set', 'eth0', 'up']);
    const { publicKey } = await report('b');
    const steps = [
      `set key=${'d'.repeat(64)} network=10.77.0.9/32`,
      `peer b key=${publicKey ?? ''} endpoint=10.77.0.2:9467 network=10.77.0.2/32`,
      'many 20000 100 10.77.0.9 10.77.0.2 9000',
    ];
    const program = ['/usr/bin/python3', resolve('test/programs/tlshub-module.py'), ...steps];
    const wanted = ['nsenter', `--net=/run/netns/${own}`, 'timeout', '-s', 'KILL', '2', ...program];
    expect(spawnSync('sh', ['-c', `exec "$@"`, 'sh', ...wanted]).status).to.not.equal(0);
    execFileSync('ip', ['netns', 'del', own]);
    await waitFor(
      () => !execFileSync('ip', ['-n', peer, 'link'], { encoding: 'utf8' }).includes('vgone'),
      30_000,
      'its end',
    );
    expect(await last('a', `start4 ${fresh()}`)).to.include({ type: TYPE.done });
  });

  it('is not unloaded while somebody has a socket of it, and leaves nothing when it is', async () => {
    const holder = lab.spawn(
      'a',
      ['/usr/bin/python3', resolve('test/programs/tlshub-module.py'), 'init', 'sleep 600000'],
      {
        outside: true,
      },
    );
    await waitFor(() => holder.stdout.includes('sequence'), 30_000, 'an answer');
    expect(spawnSync('rmmod', ['tlshub'], { encoding: 'utf8' }).stderr).to.include('in use');
    expect(isLoaded()).to.equal(true);
    await holder.stop();
    await waitFor(() => spawnSync('rmmod', ['tlshub']).status === 0, 10_000, 'its end');
    expect(isLoaded()).to.equal(false);
    expect(complaints()).to.deep.equal([]);
  });
});
