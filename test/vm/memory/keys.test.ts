// SPDX-License-Identifier: Apache-2.0
/**
 * What the agents and their helper processes have of the secrets and keys of connections that they have secured: nothing, right afterwards
 * and some seconds later. They are known by the key log of node a's agent (a copy on purpose, so they are looked for in the other one; both
 * sides are in test/native/handshake-memory.test.ts), for TLSHub by what the stand-in for its module says, and by name from the epoch's secret, which
 * lies in the agents' memory for as long as the epoch lives. That they are the true ones is
 * seen on the wire, whose records they open.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { channelLab } from '../harness/channel.js';
import { deriveTrafficSecrets, type ConnectionNames } from '../../../src/tlshub/key-schedule.js';
import { lab, waitFor, type MeshNode, type Program } from '../harness/index.js';
import type { Capture } from '../../wire/capture.js';
import { helpersOf } from '../../wire/helper-processes.js';
import { needlesOf, searchHelper, searchMemory, summaryOf, type Needle } from '../../wire/needles.js';
import { namedConnections, secretOf } from '../../wire/channel-keys.js';
import { couldBeSecrets, epochSecretAmong, isOf } from '../../wire/secret-memory.js';
import { openRecord, splitRecords } from '../../wire/records.js';
import { reloadModule } from '../tlshub/support.js';

const NODES = ['a', 'b'] as const;
const CIPHER = 'TLS_AES_128_GCM_SHA256';
const PROGRAM = ['/usr/bin/python3', resolve('test/programs/kept_open.py')];
const PORT = 7400;
const CONNECTIONS = 8;
const KEY_LOG = '/tmp/memory-keys.log';
const MASTER_KEYS = '/tmp/memory-master-keys.log';
const CORE_PATTERN = '/proc/sys/kernel/core_pattern';

const agentPid = (node: MeshNode): number => Number(readFileSync(`/run/tlshub-lab/${node}/pid`, 'utf8'));
const lines = (file: string): string[] => readFileSync(file, 'utf8').split('\n').filter(Boolean);

/** Has connections from a to b secured, with programs that keep them. */
async function talk(): Promise<Program[]> {
  const server = lab.spawn('b', [...PROGRAM, 'server', String(PORT), String(CONNECTIONS)]);
  await server.listening(PORT);
  const client = lab.spawn('a', [...PROGRAM, 'client', '10.77.0.2', String(PORT), String(CONNECTIONS)]);
  const programs = [server, client];
  // Ended, too, is no longer to be waited for: then it says why.
  await waitFor(
    () => programs.every(({ stdout, running }) => stdout !== '' || !running),
    60_000,
    'secured connections',
  );
  for (const { stdout, stderr } of programs) expect(stdout, stderr).to.equal('done\n');
  return programs;
}

/** From what the stand-in on the client's side says, and the wire: the master keys, and lines as a key log has them. */
function moduleKeys(capture: Capture): { masterKeys: Needle[]; log: string[] } {
  const masterKeys: Needle[] = [];
  const log = lines(MASTER_KEYS).flatMap((line) => {
    const [tuple, key] = line.split(' ').map((hex) => Buffer.from(hex, 'hex'));
    const clientPort = tuple!.readUInt16BE(8);
    const streams = capture.port(PORT);
    const names: ConnectionNames = {
      clientAddress: tuple!.subarray(0, 4),
      serverAddress: tuple!.subarray(4, 8),
      clientPort,
      serverPort: tuple!.readUInt16BE(10),
      clientIsn: streams.find(({ sport }) => sport === clientPort)!.isn!,
      serverIsn: streams.find(({ dport }) => dport === clientPort)!.isn!,
      ...{ cipher: CIPHER, clientNode: 'a', serverNode: 'b' },
    };
    masterKeys.push({ name: 'master', bytes: key! });
    const { clientSecret, serverSecret } = deriveTrafficSecrets(key!, names);
    return [
      `CLIENT_TRAFFIC_SECRET_0 ${clientPort} ${clientSecret.toString('hex')}`,
      `SERVER_TRAFFIC_SECRET_0 ${clientPort} ${serverSecret.toString('hex')}`,
    ];
  });
  return { masterKeys, log };
}

/** How many of the clients' first bytes on the wire are opened by the secrets of a key log. */
function opened(log: readonly string[], capture: Capture): number {
  const secrets = log
    .filter((line) => line.startsWith('CLIENT_TRAFFIC_SECRET_0 '))
    .map((line) => Buffer.from(line.split(' ')[2]!, 'hex'));
  const opens = (record: Buffer, secret: Buffer): boolean => {
    try {
      return openRecord(record, secret, 0n).content === 'x';
    } catch {
      return false; // another connection's
    }
  };
  return capture
    .port(PORT)
    .filter(({ dport }) => dport === PORT)
    .map(({ data }) => splitRecords(data).at(-1)!)
    .filter((record) => secrets.some((secret) => opens(record, secret))).length;
}

function expectNothing(node: MeshNode, needles: readonly Needle[]): void {
  const agent = agentPid(node);
  expect(summaryOf(searchMemory(agent, needles)), `in the agent of node ${node}`).to.deep.equal({});
  const helpers = helpersOf(agent);
  // The parent, and those of the main thread and the installer at least.
  expect(helpers.length, `helpers of node ${node}`).to.be.greaterThan(8);
  for (const pid of helpers) {
    expect(summaryOf(searchHelper(pid, needles)), `in a helper of node ${node}`).to.deep.equal({});
  }
}

describe('keys in memory', function () {
  this.timeout(300_000);
  after(() => lab.down());

  for (const mode of ['openssl', 'boringssl', 'tlshub'] as const) {
    it(`${mode}: no secret, key or iv is left in an agent`, async () => {
      for (const file of [KEY_LOG, MASTER_KEYS]) rmSync(file, { force: true });
      const logs = mode === 'tlshub' ? {} : { 'a:keylog_file': KEY_LOG };
      await lab.up({ mode, set: { 'tls.ciphers': CIPHER, 'tlshub.cipher': CIPHER, ...logs } });
      if (mode === 'tlshub') await reloadModule('a', '--master-keys', MASTER_KEYS);
      const sniffer = await lab.sniff();
      const programs = await talk();
      const capture = await sniffer.stop();
      const { masterKeys, log } = mode === 'tlshub' ? moduleKeys(capture) : { masterKeys: [], log: lines(KEY_LOG) };
      expect(opened(log, capture)).to.equal(CONNECTIONS);
      const needles = [...masterKeys, ...needlesOf(log, CIPHER)];
      const nodes = mode === 'tlshub' ? (['a', 'b'] as const) : (['b'] as const);
      for (const pauseMs of [0, 5000]) {
        await sleep(pauseMs);
        for (const node of nodes) expectNothing(node, needles);
      }
      // A search that finds nothing must be one that could: an agent that writes a key log has its lines.
      if (mode !== 'tlshub') expect(searchMemory(agentPid('a'), needles)).to.not.deep.equal([]);
      for (const program of programs) program.kill();
    });
  }

  it('by name: no secret or key of a connection is left in an agent, and of the epoch nothing once it is over', async () => {
    const epochMs = 20_000;
    await channelLab({ set: { 'tls.ciphers': CIPHER, channel_epoch_ms: epochMs } });
    const sniffer = await lab.sniff();
    const programs = await talk();
    const connections = namedConnections(await sniffer.stop(), PORT);
    expect(connections).to.have.length(CONNECTIONS);
    // While it lives both agents have it, in the memory for secrets and nowhere else.
    const epochs: Needle[] = [];
    for (const connection of connections) {
      const known = epochs.some(({ bytes }) => isOf(connection, bytes));
      if (known) continue;
      const found = NODES.map((node) => epochSecretAmong(couldBeSecrets(agentPid(node)), connection));
      expect(found[0]?.toString('hex'), 'the secret of an epoch').to.equal(found[1]?.toString('hex'));
      epochs.push({ name: 'epoch', bytes: found[0]! });
    }
    const log = connections.flatMap(({ flow }, at) =>
      (['client', 'server'] as const).map((side) => {
        const { bytes } = epochs.find((epoch) => isOf(connections[at]!, epoch.bytes))!;
        return `${side.toUpperCase()}_TRAFFIC_SECRET_0 ${at} ${secretOf(bytes, flow, side, CIPHER).toString('hex')}`;
      }),
    );
    const needles = needlesOf(log, CIPHER);
    expect(needles.length).to.be.at.least(6 * CONNECTIONS);
    for (const node of NODES) {
      expectNothing(node, needles);
      for (const { mapping } of searchMemory(agentPid(node), epochs)) expect(mapping).to.equal('anonymous');
    }
    const over = async (): Promise<boolean> => {
      const reports = await Promise.all(NODES.map((node) => lab.channels(node)));
      const first = Math.min(...connections.map(({ flow }) => flow.epoch));
      const last = Math.max(...connections.map(({ flow }) => flow.epoch));
      return reports.every((all) => !all.some(({ epoch }) => epoch >= first && epoch <= last));
    };
    await waitFor(over, 60_000, 'the end of the epoch');
    for (const node of NODES) expectNothing(node, [...epochs, ...needles]);
    for (const program of programs) program.kill();
  });

  it('what is locked is at least the memory for secrets', async () => {
    await lab.need();
    const locked = /^VmLck:\s+(\d+) kB/m.exec(readFileSync(`/proc/${agentPid('b')}/status`, 'utf8'));
    expect(Number(locked?.[1])).to.be.at.least(64);
  });

  it('an agent that crashes leaves no core, even where cores go to a program, whatever the limits say', async () => {
    await lab.need();
    const before = readFileSync(CORE_PATTERN, 'utf8');
    const core = (pid: number): string => `/tmp/memory-core-${pid}`;
    // To a program: the limit on the size of core files does not hold for one (core(5)).
    writeFileSync(CORE_PATTERN, '|/usr/bin/tee /tmp/memory-core-%P');
    try {
      const other = lab.spawn('b', ['/usr/bin/python3', '-c', 'import time; print("up", flush=True); time.sleep(600)']);
      await waitFor(() => other.stdout !== '', 20_000, 'a program');
      other.kill('SIGSEGV');
      await waitFor(() => existsSync(core(other.pid)), 20_000, 'the core of another program');
      const pid = agentPid('b');
      lab.signal('b', 'SIGSEGV');
      await waitFor(() => !existsSync(`/proc/${pid}`), 20_000, 'the end of the agent');
      await sleep(500);
      expect(existsSync(core(pid))).to.equal(false);
    } finally {
      writeFileSync(CORE_PATTERN, before);
    }
  });
});
