// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { patience } from '../speed.js';
import { ADDON_PATH, makeLab, type Lab } from './handshake-kit.js';

/** Handshakes with itself over loopback, `atOnce` at a time, and reports each; plain CommonJS, as it also runs in a bare child. */
const LOOP = `
  const net = require('node:net');
  const { addonPath, a, b, atOnce, report } = CONFIG;
  const addon = require(addonPath);
  const contexts = { active: addon.createContext(a), passive: addon.createContext(b) };
  const driver = addon.createDriver();
  const run = (socket, role, peer) => new Promise((resolve) => driver.start(contexts[role],
    { fd: socket._handle.fd, role, peerNames: [peer], timeoutMs: 5000, keyLog: false }, resolve));
  const waiting = [];
  const server = net.createServer({ pauseOnConnect: true }, (socket) => {
    run(socket, 'passive', 'a').then(() => socket.destroy());
  });
  const again = () => {
    const socket = net.connect(server.address().port, '127.0.0.1').pause();
    socket.on('error', () => {});
    socket.on('connect', async () => {
      const outcome = await run(socket, 'active', 'b');
      socket.destroy();
      REPORT(outcome.ok ? 'ok' : outcome.code + ': ' + outcome.reason);
      again();
    });
  };
  server.listen(0, '127.0.0.1', () => { for (let i = 0; i < atOnce; i++) again(); });
`;

describe('handshake addon in many threads', () => {
  let lab: Lab;
  let config: Record<string, unknown>;

  before(async () => {
    lab = await makeLab('lab');
    config = { addonPath: ADDON_PATH, a: await lab.credentials('a'), b: await lab.credentials('b'), atOnce: 4 };
  });
  after(() => lab.remove());

  function startWorker(): Worker {
    const code = `const { parentPort, workerData: CONFIG } = require('node:worker_threads');
      const REPORT = (text) => parentPort.postMessage(text);
      ${LOOP}`;
    return new Worker(code, { eval: true, workerData: config });
  }

  function runChild(code: string) {
    const child = spawnSync(process.execPath, ['-e', `const CONFIG = ${JSON.stringify(config)};\n${code}`], {
      encoding: 'utf8',
      timeout: patience(20_000),
    });
    return { status: child.status, signal: child.signal, out: child.stdout, err: child.stderr };
  }

  it('works in four threads at once, and survives their end in the middle of handshakes', async function () {
    this.timeout(60_000);
    for (let round = 0; round < 5; round++) {
      const workers = Array.from({ length: 4 }, startWorker);
      for (const worker of workers) {
        const [first] = (await once(worker, 'message')) as [string];
        expect(first).to.equal('ok');
      }
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
  });

  it('does not keep an idle process alive, nor does a closed driver', () => {
    const idle = runChild(`
      const driver = require(CONFIG.addonPath).createDriver();
      require(CONFIG.addonPath).createDriver().close();
      console.log(driver.inFlight());`);
    expect(idle).to.deep.equal({ status: 0, signal: null, out: '0\n', err: '' });
  });

  it('keeps a process alive for a handshake under way, though nobody holds the driver', () => {
    const result = runChild(`
      const addon = require(CONFIG.addonPath);
      const server = require('node:net').createServer({ pauseOnConnect: true }, (socket) => {
        server.close();
        addon.createDriver().start(addon.createContext(CONFIG.b),
          { fd: socket._handle.fd, role: 'passive', peerNames: ['a'], timeoutMs: 200, keyLog: false },
          (outcome) => console.log(outcome.code) || socket.destroy());
        socket.unref();
      }).listen(0, () => require('node:net').connect(server.address().port).pause().on('error', () => {}).unref());`);
    expect(result).to.deep.equal({ status: 0, signal: null, out: 'TLSHUB_HANDSHAKE_TIMEOUT\n', err: '' });
  });

  it('ends with process.exit() in the middle of handshakes', () => {
    const result = runChild(`let n = 0; const REPORT = () => { if (++n === 10) process.exit(7); };\n${LOOP}`);
    expect(result).to.deep.equal({ status: 7, signal: null, out: '', err: '' });
  });

  it('makes an exception thrown by done an uncaught one, and goes on', () => {
    const result = runChild(`
      const { openSync } = require('node:fs');
      const addon = require(CONFIG.addonPath);
      const context = addon.createContext(CONFIG.a);
      process.on('uncaughtException', (error) => console.log('uncaught', error.message));
      const driver = addon.createDriver();
      const request = { fd: openSync('/dev/null'), role: 'active', peerNames: ['b'], timeoutMs: 100, keyLog: false };
      driver.start(context, request, () => { throw new Error('one'); });
      driver.start(context, request, (outcome) => console.log(outcome.code));`);
    expect(result).to.deep.equal({ status: 0, signal: null, out: 'uncaught one\nTLSHUB_HANDSHAKE_FAILED\n', err: '' });
  });
});
