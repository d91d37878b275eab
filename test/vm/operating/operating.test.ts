// SPDX-License-Identifier: Apache-2.0
/** What a running agent shows to those who operate it, and whom it takes orders from. */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor } from '../harness/index.js';

const CTL = resolve('dist/cli/tlshubctl.js');
const SOCKET = '/run/tlshub-lab/a/control.sock';
const PATIENCE = 30_000;

describe('operating an agent', () => {
  before(() => lab.up());
  after(() => lab.down());

  const http = async (path: string): Promise<{ status: string; body: string }> => {
    const url = `http://127.0.0.1:9465${path}`;
    const { stdout } = await lab.exec('a', ['curl', '-s', '-w', '%{http_code}', url], { outside: true });
    return { status: stdout.slice(-3), body: stdout.slice(0, -3) };
  };

  it('tells on loopback that it is ready, and counts connections as they are secured', async () => {
    expect(await http('/readyz')).to.deep.equal({ status: '200', body: 'ready\n' });
    const server = lab.spawn('b', ['/usr/bin/python3', '-m', 'http.server', '8000', '--bind', '10.77.0.2']);
    await server.listening(8000);
    for (let i = 0; i < 2; i++) {
      expect((await lab.exec('a', ['curl', '-sf', '-o', '/dev/null', 'http://10.77.0.2:8000/'])).code).to.equal(0);
    }
    const refused = await lab.exec('a', ['curl', '-s', 'http://10.77.0.3:8000/']);
    expect(refused.code).to.not.equal(0);
    await server.stop();
    const { body } = await http('/metrics');
    expect(body).to.match(/^tlshub_ready 1$/m);
    expect(body).to.match(/^tlshub_flows_secured_total 2$/m);
    expect(body).to.match(/^tlshub_negotiations_total\{provider="openssl",result="succeeded"\} 2$/m);
    expect(body, 'nothing names a peer').to.not.include('10.77.0');
  });

  it('is not ready while no guardian runs', async () => {
    const { lease } = await lab.status('a');
    const killed = lease.guardianPid!;
    // The next one comes soon: what counts is that the time without was seen, by whoever looked.
    let seen = '';
    process.kill(killed, 'SIGKILL');
    await waitFor(
      async () => {
        const status = await lab.status('a');
        if (!status.ready) seen = status.notReady.join();
        return seen !== '' || (status.lease.guardianPid !== null && status.lease.guardianPid !== killed);
      },
      PATIENCE,
      'the guardian to be missed or replaced',
    );
    await waitFor(async () => (await lab.status('a')).ready, PATIENCE, 'readiness with another guardian');
    const after = await lab.status('a');
    expect(after.lease.guardianPid).to.not.equal(killed);
    expect(after.lease.guardianRestarts).to.equal(lease.guardianRestarts + 1);
    expect((await http('/metrics')).body).to.match(/^tlshub_guardian_restarts_total [1-9]/m);
    if (seen !== '') expect(seen).to.include('no guardian runs');
  });

  it('takes orders from root outside of what it captures, and not from root inside', async () => {
    const command = [process.execPath, CTL, '--socket', SOCKET, '--json', 'mode', 'get'];
    const outside = await lab.exec('a', command, { outside: true });
    expect(JSON.parse(outside.stdout)).to.deep.equal({ mode: 'openssl' });
    const inside = await lab.exec('a', command);
    expect(inside.code).to.equal(77);
    expect(inside.stdout).to.equal('');
    const { error } = JSON.parse(inside.stderr) as { error: { code: string; message: string } };
    expect(error.code).to.equal('TLSHUB_CONTROL_FORBIDDEN');
    expect(error.message).to.match(/^pid \d+ is in a captured cgroup \(\/sys\/fs\/cgroup\/tlshub-lab\/a\)$/);
  });
});
