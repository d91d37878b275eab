// SPDX-License-Identifier: Apache-2.0
/**
 * That no key is used twice: many connections from few ports, which TIME_WAIT does not keep from being used again. The epochs' secrets are taken from
 * an agent's memory while they live; with them each record on the wire is opened by the key and the number that it must have, and no pair of those
 * comes twice. `TLSHUB_REUSE_CONNECTIONS` says how many.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { trafficKeys } from '../../../src/tls/key-schedule.js';
import { channelLab, inNode } from '../harness/channel.js';
import { lab } from '../harness/index.js';
import { namedConnections, saltOf, secretOf } from '../../wire/channel-keys.js';
import { openRecord, splitRecords } from '../../wire/records.js';
import { couldBeSecrets, isOf } from '../../wire/secret-memory.js';

const CIPHER = 'TLS_AES_128_GCM_SHA256';
const PROGRAM = ['/usr/bin/python3', resolve('test/programs/same_ports.py')];
const PORT = 7330;
const PORTS = 48;
const COUNT = Number(process.env.TLSHUB_REUSE_CONNECTIONS ?? 2000);
const THREADS = 8;
const LOOK_MS = 3000;

const agentPid = (): number => Number(readFileSync('/run/tlshub-lab/a/pid', 'utf8'));

describe('keys by name, from the same ports again and again', () => {
  before(async function () {
    this.timeout(120_000);
    await channelLab({ set: { 'tls.ciphers': CIPHER } });
    inNode('a', [
      'sysctl',
      '-qw',
      `net.ipv4.ip_local_port_range=40000 ${40000 + PORTS - 1}`,
      'net.ipv4.tcp_tw_reuse=1',
    ]);
    await lab.spawn('b', [...PROGRAM, 'server', `${PORT}`]).listening(PORT);
  });
  after(() => lab.down());

  it('no key protects two records by the same number', async function () {
    this.timeout(300_000 + 500 * COUNT);
    const secrets = new Set<string>();
    const look = (): void => couldBeSecrets(agentPid()).forEach((secret) => secrets.add(secret));
    const sniffer = await lab.sniff();
    const looking = setInterval(look, LOOK_MS);
    const command = [...PROGRAM, 'client', '10.77.0.2', ...[PORT, COUNT, THREADS].map(String)];
    const { stdout, stderr } = await lab
      .exec('a', command, { timeoutMs: 120_000 + 300 * COUNT })
      .finally(() => clearInterval(looking));
    look();
    const capture = await sniffer.stop();
    expect(stdout, stderr).to.match(new RegExp(`^${COUNT} of ${COUNT} were answered, from \\d+ ports\n$`));
    expect(Number(/from (\d+) /.exec(stdout)?.[1])).to.be.at.most(PORTS);
    expect(capture.plaintextFrames, capture.describe()).to.equal(0);

    const connections = namedConnections(capture, PORT);
    // All but those that came while one epoch took over from another.
    expect(connections.length).to.be.greaterThan(0.9 * COUNT);
    const epochs = new Map<number, Buffer>();
    for (const connection of connections) {
      const { epoch } = connection.flow;
      if (epochs.has(epoch)) continue;
      const its = [...secrets].map((secret) => Buffer.from(secret, 'hex')).find((secret) => isOf(connection, secret));
      expect(its, `the secret of epoch ${epoch}`).to.not.equal(undefined);
      epochs.set(epoch, its!);
    }

    const salts = new Set<string>();
    const pairs = new Set<string>();
    let records = 0;
    for (const { flow, streams } of connections) {
      salts.add(saltOf(flow).toString('hex'));
      for (const side of ['client', 'server'] as const) {
        const secret = secretOf(epochs.get(flow.epoch)!, flow, side, CIPHER);
        const key = trafficKeys(CIPHER, secret).key.toString('hex');
        splitRecords(streams[side].data).forEach((record, sequence) => {
          openRecord(record, secret, BigInt(sequence));
          pairs.add(`${key} ${sequence}`);
          records++;
        });
      }
    }
    expect(salts.size, 'names of connections').to.equal(connections.length);
    expect(records, 'records').to.be.at.least(2 * connections.length);
    expect(pairs.size, 'pairs of key and number').to.equal(records);
    process.stdout.write(
      `      ${connections.length} connections by name of ${COUNT} from ${PORTS} ports, ${epochs.size} epochs, ${records} records\n`,
    );
  });
});
