// SPDX-License-Identifier: Apache-2.0
/** The access log of running agents: its lines say what the flows and the metrics say, and neither rotation nor a full disk loses one or stops anything. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { DetailedFlowReport } from '../../../src/supervisor/flow/table.js';
import { lab, waitFor, type MeshNode } from '../harness/index.js';

const FOLDER = '/tmp/tlshub-access-log';
/** Of node b: a file system of its own, that can be filled. */
const DISK = `${FOLDER}/disk`;
const LOG: Record<MeshNode, string> = { a: `${FOLDER}/a.log`, b: `${DISK}/b.log` };
const PATIENCE = 30_000;
const BODY = 123_456;

type Entry = Record<string, string | number>;

function entries(file: string): Entry[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Entry);
}

/** Waits for the line of a connection by the client's port. */
function entryOf(file: string, port: number): Promise<Entry> {
  const find = (): Entry | undefined => entries(file).find((one) => String(one['src.addr']).endsWith(`:${port}`));
  return waitFor(find, PATIENCE, `a line of port ${port} in ${file}`);
}

async function flowOf(node: MeshNode, port: number): Promise<DetailedFlowReport> {
  const flows = (await lab.flows(node)) as DetailedFlowReport[];
  return flows.find(({ sport }) => sport === port)!;
}

/** Client's port. */
async function curl(...args: string[]): Promise<number> {
  const { stdout } = await lab.exec('a', ['curl', '-s', '-o', '/dev/null', '-w', '%{local_port}', ...args]);
  return Number(stdout);
}

/** What a line and a flow both say. */
const shared = (entry: Entry, { cookie, role, provider, exchange, cipher, ...flow }: DetailedFlowReport): void => {
  expect(entry).to.include({
    ...{ 'src.addr': `${flow.src}:${flow.sport}`, 'dst.addr': `${flow.dst}:${flow.dport}`, connection_id: cookie },
    ...{ direction: role === 'active' ? 'outbound' : 'inbound', reason: flow.reason, pid: flow.pid, comm: flow.comm },
    ...(provider !== null && { provider, exchange }),
    ...(cipher !== null && { cipher, tls_version: flow.tlsVersion, hold: flow.hold }),
    ...(flow.holdMs !== null && { hold_ms: Math.round(flow.holdMs * 1000) / 1000 }),
    ...(flow.code !== '' && { code: flow.code }),
  });
};

describe('the access log of a running agent', () => {
  before(async () => {
    mkdirSync(DISK, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tlshub-access-log', DISK]);
    writeFileSync(`${FOLDER}/body`, Buffer.alloc(BODY, 'x'));
    await lab.up({ set: { 'a:access_log': LOG.a, 'b:access_log': LOG.b } });
    const serve = ['/usr/bin/python3', '-m', 'http.server', '8000', '--bind', '10.77.0.2', '--directory', FOLDER];
    await lab.spawn('b', serve).listening(8000);
  });
  after(async () => {
    await lab.down();
    execFileSync('umount', [DISK]);
    rmSync(FOLDER, { recursive: true });
  });

  it('has a line on both nodes for a connection that went well, with the bytes of its programs', async () => {
    const port = await curl('http://10.77.0.2:8000/body');
    const [active, passive] = await Promise.all([entryOf(LOG.a, port), entryOf(LOG.b, port)]);
    shared(active, await flowOf('a', port));
    shared(passive, await flowOf('b', port));
    const both = { 'src.node': 'a', 'src.identity': 'a', 'dst.node': 'b', 'dst.identity': 'b' };
    for (const entry of [active, passive]) expect(entry).to.include({ ...both, outcome: 'secured', level: 'info' });
    expect(active).to.include({ bytes_sent: passive.bytes_recv, bytes_recv: passive.bytes_sent, comm: 'curl' });
    expect(active.bytes_recv).to.be.within(BODY + 1, BODY + 1000);
    expect(active.cgroup, 'of a program').to.equal('/tlshub-lab/a');
    for (const side of ['src', 'dst']) expect(active[`${side}.workload`]).to.equal(passive[`${side}.workload`]);
  });

  it('has one for a connection that was refused, with the code that flows shows', async () => {
    const before = entries(LOG.a).length;
    await curl('http://10.77.0.3:8000/');
    const entry = await waitFor(() => entries(LOG.a)[before], PATIENCE, 'the line of the refused connection');
    const flow = ((await lab.flows('a')) as DetailedFlowReport[]).find(({ cookie }) => cookie === entry.connection_id)!;
    expect(flow.state).to.equal('refused');
    shared(entry, flow);
    expect(entry).to.include({ level: 'error', outcome: 'refused', bytes_sent: 0, bytes_recv: 0 });
    expect(entry.error).to.equal(`${flow.code}: ${flow.reason}`);
    expect(entry).to.not.have.property('dst.identity');
  });

  it('tells a program that was killed with bytes unread by the reset that its peer got', async () => {
    const server = lab.spawn('b', ['python3', '-c', SENDS]);
    await server.listening(8001);
    const client = lab.spawn('a', ['python3', '-c', NEVER_READS]);
    const port = Number(await waitFor(() => /^\d+\n/.exec(client.stdout)?.[0], PATIENCE, client.stderr));
    client.kill();
    const [active, passive] = await Promise.all([entryOf(LOG.a, port), entryOf(LOG.b, port)]);
    shared(active, await flowOf('a', port));
    expect(active).to.include({ level: 'info', outcome: 'secured', bytes_sent: 5, bytes_recv: 0 });
    expect(passive).to.include({ level: 'error', outcome: 'secured', bytes_recv: 5 });
    expect(passive.error).to.match(/^connection reset by peer \(E(?:CONNRESET|PIPE)\)$/);
    await server.stop();
  });

  it('counts its lines in the metrics and in the status', async () => {
    const lines = entries(LOG.a).length;
    const { accessLog } = await lab.status('a');
    expect(accessLog).to.deep.equal({ destination: LOG.a, written: lines, dropped: 0, error: null });
    const metrics = await lab.ctl('a', 'metrics');
    expect(metrics).to.include(`tlshub_access_log_lines_total{result="written"} ${lines}\n`);
    expect(metrics).to.include('tlshub_access_log_lines_total{result="dropped"} 0\n');
  });

  it('goes on in a new file when it was rotated, at SIGHUP and by itself', async () => {
    const before = entries(LOG.a).length;
    for (const signals of [true, false]) {
      const old = `${LOG.a}.${String(signals)}`;
      renameSync(LOG.a, old);
      if (signals) lab.signal('a', 'SIGHUP');
      await waitFor(() => existsSync(LOG.a), PATIENCE, 'a new file');
      const kept = entries(old).length;
      const port = await curl('http://10.77.0.2:8000/body');
      expect((await entryOf(LOG.a, port)).outcome).to.equal('secured');
      expect(entries(old)).to.have.length(kept);
    }
    const all = [`${LOG.a}.true`, `${LOG.a}.false`, LOG.a].map((file) => entries(file).length);
    expect(all[0]).to.equal(before);
    expect(all[1]! + all[2]!).to.equal(2);
  });

  it('says that its disk is full, while connections are secured, and writes what it has kept when there is room', async () => {
    expect(() => writeFileSync(`${DISK}/filler`, Buffer.alloc(1 << 20))).to.throw(/ENOSPC/);
    const ports: number[] = [];
    const problem = async (): Promise<boolean> => {
      const { problems } = await lab.status('b');
      return problems.some(({ code, message }) => code === 'TLSHUB_ACCESS_LOG' && message.includes('ENOSPC'));
    };
    const full = async (): Promise<boolean> => {
      ports.push(await curl('http://10.77.0.2:8000/body'));
      return problem();
    };
    await waitFor(full, PATIENCE, 'the problem to be told');
    expect((await lab.status('b')).ready).to.equal(true);
    for (const port of ports) expect(await flowOf('a', port)).to.include({ secured: true });
    rmSync(`${DISK}/filler`);
    for (const port of ports) expect((await entryOf(LOG.b, port)).outcome).to.equal('secured');
    await waitFor(async () => !(await problem()), PATIENCE, 'the problem to be over');
    expect((await lab.status('b')).accessLog).to.include({ dropped: 0 });
    expect(await lab.logs('b')).to.match(/TLSHUB_ACCESS_LOG.*cannot write the access log/);
  });
});

/** Sends to one connection, after five bytes of it, and waits. */
const SENDS = `import socket, time
s = socket.create_server(('10.77.0.2', 8001)).accept()[0]
assert len(s.recv(5, socket.MSG_WAITALL)) == 5
s.sendall(bytes(3000))
time.sleep(600)`;

/** The client of that; says its port when bytes have arrived that it does not read. */
const NEVER_READS = `import select, socket, time
s = socket.create_connection(('10.77.0.2', 8001))
s.sendall(bytes(5))
select.select([s], [], [])
print(s.getsockname()[1], flush=True)
time.sleep(600)`;
