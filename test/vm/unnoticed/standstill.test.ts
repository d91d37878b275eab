// SPDX-License-Identifier: Apache-2.0
/** Seen from outside, by whoever looks at /proc: no process stands still while its connections are held. */
import { expect } from 'chai';
import { lab, type Result } from '../harness/index.js';
import { detailedFlows } from '../harness/mutual-tls.js';
import { watchStandstill } from '../harness/standstill.js';
import { at, digestOf, makeContent, makeFolder, type Content } from '../matrix/files.js';
import * as servers from '../matrix/servers.js';
import { B, inThePatientLab, redis, withoutStops } from './support.js';

const REDIS = 7150;
const ROUNDS = 5;

describe('a mixed load of blocking programs', () => {
  let file: Content;

  inThePatientLab();
  withoutStops();
  before(async () => {
    makeFolder();
    file = makeContent('file', 100_000);
    await Promise.all([servers.nginx(), servers.pythonHttp(), redis(REDIS)]);
  });

  /** Each is a new connection: with a blocking client, a blocking server, or both. */
  const clients: (() => Promise<Result>)[] = [
    () => lab.exec('a', ['redis-cli', '-h', B, '-p', String(REDIS), 'ping']),
    () => lab.exec('a', ['wget', '-q', '-O', at('wget'), `http://${B}:${servers.PORTS.nginx}/file`]),
    () => lab.exec('a', ['curl', '-sSf', '-o', at('curl'), `http://${B}:${servers.PORTS.python}/file`]),
  ];

  it('is never seen in state T or t', async () => {
    const load = async (): Promise<void> => {
      for (let round = 0; round < ROUNDS; round++) {
        for (const { code, stderr } of await Promise.all(clients.map((client) => client())))
          expect(code, stderr).to.equal(0);
        for (const name of ['wget', 'curl']) expect(digestOf(at(name))).to.equal(file.sha256);
      }
    };
    const watch = watchStandstill();
    await load();
    const { looks, seen } = await watch.end();
    expect(looks, 'looks at all processes').to.be.greaterThan(ROUNDS * 10);
    expect(seen, 'processes that were seen to stand still').to.deep.equal([]);
    for (const node of ['a', 'b'] as const) {
      const ports: number[] = [REDIS, servers.PORTS.nginx, servers.PORTS.python];
      const flows = (await detailedFlows(node)).filter(({ dport }) => ports.includes(dport));
      expect(flows.filter(({ hold }) => hold === 'stop').length, `stopped on node ${node}`).to.equal(0);
      expect(flows.filter(({ hold }) => hold === 'sleep').length, `asleep on node ${node}`).to.be.greaterThan(ROUNDS);
    }
  });
});
