// SPDX-License-Identifier: Apache-2.0
/** A flow's bytes are those that its program's system calls took and gave, to the byte. */
import { expect } from 'chai';
import { release } from 'node:os';
import type { FlowReport } from '../../../src/report/flow.js';
import { lab, waitFor, type MeshNode } from '../harness/index.js';
import { exchange, expectFlows } from './support.js';

/** Bytes from client to server, from server to client, and how (test/programs/traffic.py). */
const SMALL = [
  '24:0:sized',
  '24:1:sized',
  '25:0:half',
  '24:1:half',
  // both sides end while one still has to read: what it reads comes after the connection's end
  '40000:30000:linger',
  // reads of a few bytes, each after a look with MSG_PEEK
  '24:5000:odd:7',
  // closed with bytes unread: in the middle of a record, and with megabytes under way
  '24:100000:leave:100',
  '24:3000000:leave:1000',
  '50000:100000:file',
  '300000:24:splice',
];

const MB = 1_000_000;
/** The largest in emulation takes a minute: once is enough, on the oldest kernel. */
const LARGE = release().startsWith('6.1.') ? 100 * MB : 4 * MB;

async function retransmitted(): Promise<number> {
  const { stdout } = await lab.exec('a', ['cat', '/proc/net/snmp'], { outside: true });
  const [names, values] = stdout.split('\n').filter((line) => line.startsWith('Tcp:'));
  return Number(values?.split(' ')[names?.split(' ').indexOf('RetransSegs') ?? -1]);
}

describe('bytes of a flow', () => {
  before(async function () {
    this.timeout(60_000);
    await lab.up({ policy: 'permissive' });
  });
  after(() => lab.down());

  it('are exact however they are sent, read and ended', async () => {
    const { client, server } = await exchange('a', 'b', 9000, SMALL);
    const active = await expectFlows('a', client);
    const passive = await expectFlows(
      'b',
      server.map((counted, i) => ({ ...counted, reset: SMALL[i]?.includes(':leave:') === true })),
    );
    for (const flow of [...active, ...passive]) expect(flow).to.include({ secured: true, kernelUlp: 'tls' });
    expect(active.map(({ role }) => role)).to.deep.equal(SMALL.map(() => 'active'));
    expect(passive.map(({ role }) => role)).to.deep.equal(SMALL.map(() => 'passive'));
  });

  it('are exact for a megabyte and for many, in both directions', async () => {
    const { client, server } = await exchange('a', 'b', 9001, [`${MB}:${MB}:sized`, `${LARGE}:24:half`], 300_000);
    expect(client[1]).to.deep.include({ sent: LARGE, received: 24 });
    await expectFlows('a', client);
    await expectFlows('b', server);
  }).timeout(400_000);

  it('are those of the program where packets are lost and sent again', async () => {
    const netem = ['nsenter', '--net=/run/netns/tlshub-a', 'tc', 'qdisc'];
    const loss = await lab.exec('a', [...netem, 'add', 'dev', 'eth0', 'root', 'netem', 'loss', '10%'], {
      outside: true,
    });
    expect(loss.code, loss.stderr).to.equal(0);
    const before = await retransmitted();
    try {
      const { client, server } = await exchange('a', 'b', 9002, ['1500000:500000:sized']);
      expect(await retransmitted(), 'retransmissions').to.be.greaterThan(before);
      await expectFlows('a', client);
      await expectFlows('b', server);
    } finally {
      await lab.exec('a', [...netem, 'del', 'dev', 'eth0', 'root'], { outside: true });
    }
  });

  it('of a connection in plaintext are exact too', async () => {
    const { client } = await exchange('a', 'c', 9003, SMALL);
    for (const flow of await expectFlows('a', client)) expect(flow.secured).to.equal(false);
  });

  it('are known while the connection lives', async () => {
    const server = lab.spawn('b', ['python3', '-c', HOLD]);
    await server.listening(9004);
    const client = lab.spawn('a', ['python3', '-c', HELD]);
    const line = await waitFor(() => /^.*\n/.exec(client.stdout)?.[0], 30_000, `the client; it says ${client.stderr}`);
    const { port } = JSON.parse(line) as { port: number };
    const find = async (node: MeshNode): Promise<FlowReport | undefined> =>
      (await lab.flows(node)).find(({ sport }) => sport === port);
    expect(await find('a')).to.include({ state: 'secured', bytesSent: 5000, bytesReceived: 3000 });
    expect(await find('b')).to.include({ state: 'secured', bytesSent: 3000, bytesReceived: 5000 });
    client.kill();
    await server.ended;
  });
});

/** Serves one connection: reads 5000 bytes, sends 3000, waits for the end. */
const HOLD = `import socket
s = socket.create_server(('', 9004)).accept()[0]
assert len(s.recv(5000, socket.MSG_WAITALL)) == 5000
s.sendall(bytes(3000))
s.recv(1)`;

/** The client of that; says its port when it has read everything. */
const HELD = `import socket, time, json
s = socket.create_connection(('10.77.0.2', 9004))
s.sendall(bytes(5000))
assert len(s.recv(3000, socket.MSG_WAITALL)) == 3000
print(json.dumps({'port': s.getsockname()[1]}), flush=True)
time.sleep(60)`;
