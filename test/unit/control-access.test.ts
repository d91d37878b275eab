import { spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { whyNotAdmitted, type AdmissionFacts } from '../../src/control/access.js';
import { ControlClient } from '../../src/control/client.js';
import { startControlServer, type ControlServer } from '../../src/control/server.js';
import { kernel } from '../../src/shared/kernel/native.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { nodeForOthers } from './support/node-for-others.js';
import { temporaryFolder } from './support/temporary.js';

const HOST = { point: '/sys/fs/cgroup', root: '/' };
const FACTS: AdmissionFacts = {
  peer: { uid: 0, gid: 0, pid: 7, cgroup: '/user.slice/session-1.scope' },
  ownUid: 0,
  ownCgroup: '/system.slice/tlshub.service',
  mount: HOST,
  captured: ['/sys/fs/cgroup/tlshub', '/sys/fs/cgroup/kubepods.slice/**'],
};

const verdict = (change: Partial<AdmissionFacts>, peer: Partial<AdmissionFacts['peer']> = {}): string | undefined =>
  whyNotAdmitted({ ...FACTS, ...change, peer: { ...FACTS.peer, ...peer } });

describe('admission to the control socket', () => {
  it('is for root and the agent itself', () => {
    expect(verdict({})).to.equal(undefined);
    expect(verdict({ ownUid: 1000 }, { uid: 1000 })).to.equal(undefined);
    expect(verdict({}, { uid: 1000 })).to.include('not uid 1000');
    expect(verdict({}, { uid: 65_534 }), 'root of a user namespace of its own').to.include('not uid 65534');
  });

  it('is not for root in a captured cgroup or below', () => {
    for (const cgroup of ['/tlshub', '/tlshub/web', '/kubepods.slice/pod1/c1', '/kubepods.slice']) {
      expect(verdict({}, { cgroup }), cgroup).to.match(/^pid 7 is in a captured cgroup/);
    }
    for (const cgroup of ['/', '/tlshub2', '/tlshu', '/a/tlshub'])
      expect(verdict({}, { cgroup }), cgroup).to.equal(undefined);
    expect(verdict({ captured: ['/sys/fs/cgroup'] }, { cgroup: '/' })).to.include('captured');
    expect(verdict({ captured: ['/sys/fs/cgroup/*/web'] }, { cgroup: '/elsewhere' })).to.include('captured');
  });

  it('takes what cannot be told for captured, as soon as anything is', () => {
    expect(verdict({}, { cgroup: '' })).to.include('nobody can tell');
    expect(verdict({}, { cgroup: '/gone (deleted)' })).to.include('nobody can tell');
    expect(verdict({ mount: undefined })).to.include('cannot be found');
    expect(verdict({}, { cgroup: '/../../tlshub' })).to.include('cannot be found');
    expect(verdict({ captured: [] }, { cgroup: '' })).to.equal(undefined);
  });

  it('sees through cgroup namespaces', () => {
    const inContainer = { mount: { point: '/sys/fs/cgroup', root: '/../../..' }, ownCgroup: '/' };
    expect(verdict(inContainer, { cgroup: '/../../../kubepods.slice/pod1' })).to.include('captured');
    expect(verdict(inContainer, { cgroup: '/../../../user.slice' })).to.equal(undefined);
    expect(verdict(inContainer, { cgroup: '/../../../..' })).to.include('cannot be found');
    expect(verdict(inContainer, { cgroup: '/' }), 'beside the agent').to.equal(undefined);
  });

  it('is for what runs beside an agent that its own pattern covers, but not for what shares a captured folder with it', () => {
    const pod = '/kubepods.slice/agent/c1';
    expect(verdict({ ownCgroup: pod }, { cgroup: pod })).to.equal(undefined);
    expect(verdict({ ownCgroup: pod }, { cgroup: '/kubepods.slice/agent/c2' })).to.include('captured');
    expect(verdict({ ownCgroup: '/tlshub' }, { cgroup: '/tlshub' })).to.include('captured');
  });

  describe('of a connection', () => {
    const path = temporaryFolder();
    const ctl = fileURLToPath(new URL('../../src/cli/tlshubctl.js', import.meta.url));
    const { log, lines } = memoryLogger();
    let server: ControlServer;

    before(async () => {
      server = await startControlServer({
        path: path('run', 'control.sock'),
        logger: log,
        handlers: { 'mode.get': () => Promise.resolve({ mode: 'openssl' }) },
      });
    });
    after(() => server.close());

    it("knows the kernel's word for who it is", async () => {
      const client = await ControlClient.connect(server.path);
      expect(await client.request('mode.get', {})).to.deep.equal({ mode: 'openssl' });
      client.close();
      expect(() => kernel().peerOf(0))
        .to.throw()
        .with.property('syscall', 'getsockopt(SO_PEERCRED)');
    });

    it('refuses another user whom a loosened mode lets in, with the reason, and says so in the log', async () => {
      expect(process.getuid?.(), 'this test changes users').to.equal(0);
      chmodSync(path(), 0o711);
      chmodSync(path('run'), 0o711);
      chmodSync(server.path, 0o666);
      const node = nodeForOthers();
      const child = spawn(node.path, [ctl, 'mode', 'get', '--json', '--socket', server.path], {
        cwd: '/',
        uid: 65_534,
      });
      let [out, err] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      const status = await new Promise((resolve) => child.once('close', resolve));
      node.remove();
      expect(out).to.equal('');
      expect(JSON.parse(err)).to.deep.equal({
        error: { code: 'TLSHUB_CONTROL_FORBIDDEN', message: 'only root may use the control socket, not uid 65534' },
      });
      expect(status).to.equal(77);
      expect(lines.map(({ message }) => message)).to.include(
        'control connection refused: only root may use the control socket, not uid 65534',
      );
    });
  });
});
