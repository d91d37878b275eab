// SPDX-License-Identifier: Apache-2.0
/** Programs of a pod in the host's network keep all connections of the health endpoint: probes are answered, and others' connections are secured. */
import { resolve } from 'node:path';
import { expect } from 'chai';
import { lab, waitFor } from '../harness/index.js';
import { Peer, step } from '../harness/peer.js';
import { SECRET } from '../harness/wire.js';

const B = '10.77.0.2';
const HEALTH = 9465;
const INNOCENT = 7120;
/** More than it has connections, together. */
const HOGS = 2;
const OF_ONE = 300;
const PROBES = 25;
const PYTHON = '/usr/bin/python3';

describe('programs that hold the connections of the health endpoint', () => {
  before(() => lab.need());

  it('keep out no probe, and nobody else notices', async function () {
    this.timeout(180_000);
    const hogs = Array.from({ length: HOGS }, () =>
      lab.spawn('a', [PYTHON, resolve('test/programs/hog.py'), `${HEALTH}`, `${OF_ONE}`, '600'], { user: 'nobody' }),
    );
    await waitFor(() => hogs.every(({ stdout }) => stdout === 'begins\n'), 30_000, 'their beginning');
    const server = await Peer.listen('b', INNOCENT, ['serve-threads:20']);
    const asked = Peer.start('a', [`ask:20,${B}:${INNOCENT},${SECRET}`]);

    const answers: string[] = [];
    for (const path of Array.from({ length: PROBES }, (_, i) => (i % 5 === 4 ? 'metrics' : 'readyz'))) {
      const url = `http://127.0.0.1:${HEALTH}/${path}`;
      const { code, stdout } = await lab.exec('a', ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', url], {
        outside: true,
      });
      answers.push(`${code} ${stdout}`);
    }
    expect(answers).to.deep.equal(Array(PROBES).fill('0 200'));
    expect(step(await asked.finish(60_000), 'ask').result).to.equal(20);
    await Promise.all([...hogs.map((hog) => hog.stop('SIGKILL')), server.stop()]);
  });
});
