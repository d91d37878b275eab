// SPDX-License-Identifier: Apache-2.0
/** Settings that change under a running agent, with real connections. */
import { expect } from 'chai';
import { appendFileSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { initCa, issueNode } from '../../../src/tls/lab-ca/pki.js';
import { patience } from '../../speed.js';
import { lab, waitFor, type MeshNode, type Program } from '../harness/index.js';
import { at } from '../matrix/files.js';
import * as servers from '../matrix/servers.js';
import { finishCleanLoad, finishLoad, startLoad, upForLoad } from '../harness/load.js';
import { KEEP_ASKING, NodeConfig } from './support.js';

const NODES: readonly MeshNode[] = ['a', 'b'];
const RELOADS = 50;
const RATE = 10;
/** Far beyond every deadline of the agent: what takes longer hangs. */
const HUNG_SECONDS = 60;
const URL_ON_B = `http://10.77.0.2:${servers.PORTS.nginx}/byte`;
const CGROUPS = '/sys/fs/cgroup/tlshub-lab';

describe('reload', () => {
  let config: Record<MeshNode, NodeConfig>;
  let mapping: string;
  let mappingText: string;

  before(async function () {
    this.timeout(240_000);
    await upForLoad();
    config = { a: NodeConfig.of('a'), b: NodeConfig.of('b') };
    mapping = config.a.get('pod_node_config');
    mappingText = readFileSync(mapping, 'utf8');
  });
  after(() => lab.down());
  let load: Program | undefined;
  afterEach(async () => {
    load?.kill();
    load = undefined;
    writeFileSync(mapping, mappingText);
    for (const node of NODES) {
      config[node].write();
      await lab.reload(node);
    }
  });

  const curl = async (): Promise<number | null> =>
    (await lab.exec('a', ['curl', '-sSf', '-o', at('out'), URL_ON_B])).code;
  const failure = async (node: MeshNode): Promise<string> => {
    const error: unknown = await lab.reload(node).catch((thrown: unknown) => thrown);
    return error instanceof Error ? error.message : 'it was reloaded';
  };

  it(`${RELOADS} times under load, every other file a bad one: no connection fails, nothing is in plaintext`, async function () {
    this.timeout(400_000);
    const good: Record<string, string | number | boolean>[] = [
      { flows_kept: 900, log_level: 'debug' },
      { silent_peer_timeout_ms: patience(39_000) },
      { verbose: true },
      { hold_timeout_ms: patience(41_000) },
      { policy: 'permissive' },
      { 'openssl.pool_in_flight': 200, 'tls.ciphers': 'TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256' },
      { mode: 'boringssl' },
    ];
    const bad: { keys: Record<string, string | number>; says: RegExp }[] = [
      { keys: { nonsense: 1 }, says: /capture\.conf:1: nonsense: there is no such key/ },
      { keys: { hold_timeout_ms: 'soon' }, says: /capture\.conf:1: hold_timeout_ms: "soon" is not allowed/ },
      { keys: { 'tls.cert': '/nowhere.crt' }, says: /nowhere\.crt: tls\.cert: cannot read it/ },
      { keys: { pod_node_config: '/nowhere.conf' }, says: /nowhere\.conf: cannot read the mapping/ },
    ];
    const sniffer = await lab.sniff();
    load = startLoad(servers.PORTS.nginx, '/byte', RATE, HUNG_SECONDS);
    await waitFor(async () => (await lab.flows('a')).length > 2, 60_000, 'connections');
    for (let i = 0; i < RELOADS; i++) {
      const node = NODES[(i >> 1) % 2] ?? 'a';
      const before = await lab.status(node);
      if (i % 2 === 0) {
        config[node].write(good[(i >> 2) % good.length]);
        if (i % 6 === 0) {
          lab.signal(node, 'SIGHUP');
          await waitFor(
            async () => (await lab.status(node)).reloads.succeeded > before.reloads.succeeded,
            60_000,
            'the reload by SIGHUP',
          );
        } else {
          await lab.reload(node);
        }
        expect((await lab.status(node)).lastConfigError).to.equal(null);
        continue;
      }
      const { keys, says } = bad[(i >> 1) % bad.length] ?? { keys: {}, says: /never/ };
      config[node].write({ ...keys, drain_timeout_ms: 1 });
      expect(await failure(node)).to.match(says);
      const after = await lab.status(node);
      expect(after.lastConfigError?.error.message).to.match(says);
      expect(after.reloads.failed).to.equal(before.reloads.failed + 1);
      for (const part of ['mode', 'policy', 'mapping', 'cgroups'] as const) {
        expect(after[part], part).to.deep.equal(before[part]);
      }
    }
    await finishCleanLoad(load, sniffer, RELOADS);
  });

  it('certificates of another CA, with both trusted for a while: no connection fails; then the old CA is refused by name', async function () {
    this.timeout(300_000);
    const oldCa = config.a.get('tls.ca');
    const next = join(dirname(oldCa), 'next');
    await initCa(next, { name: 'CA of next year', days: 10, force: true });
    for (const node of NODES) await issueNode(next, node, { days: 10, force: true });
    const both = join(next, 'both.crt');
    writeFileSync(both, readFileSync(oldCa));
    appendFileSync(both, readFileSync(join(next, 'ca.crt')));
    const own = (node: MeshNode) => ({ 'tls.cert': join(next, `${node}.crt`), 'tls.key': join(next, `${node}.key`) });
    const step = async (node: MeshNode, keys: Record<string, string>): Promise<string[]> => {
      config[node].write(keys);
      return (await lab.reload(node)).changes;
    };

    load = startLoad(servers.PORTS.nginx, '/byte', RATE, HUNG_SECONDS);
    for (const node of NODES) {
      expect((await step(node, { 'tls.ca': both })).join()).to.contain('tls.ca: now trusts CA of next year');
    }
    for (const node of NODES) {
      const changes = (await step(node, { 'tls.ca': both, ...own(node) })).join();
      expect(changes).to.contain(`tls.cert: now ${node}`).and.to.contain('issued by CA of next year');
    }
    for (const node of NODES) {
      const changes = (await step(node, { 'tls.ca': join(next, 'ca.crt'), ...own(node) })).join();
      expect(changes).to.contain('tls.ca: no longer trusts TLSHub lab CA');
    }
    const result = await finishLoad(load);
    expect(result.failed, JSON.stringify(result)).to.deep.equal({});
    expect(result.late).to.equal(0);
    expect(result.ok).to.be.greaterThan(10);

    // a goes back to its old certificate; b no longer trusts who issued it.
    await step('a', { 'tls.ca': both });
    expect(await curl()).not.to.equal(0);
    const log = await lab.logs('b');
    expect(log).to.match(/refused .*peer certificate \[a\] is signed by an unknown CA \(issuer .*TLSHub lab CA/);
    for (const node of NODES) for (const line of keyLines(next, node)) expect(log).not.to.contain(line);
  });

  it('a pod that moves to another node: the next connection is checked against that one', async () => {
    expect(await curl()).to.equal(0);
    writeFileSync(mapping, mappingText.replace('pod-b b', 'pod-b c'));
    expect((await lab.reload('a')).changes).to.deep.equal(['mapping: pod pod-b moved from b to c']);
    expect(await curl()).not.to.equal(0);
    const reasons = (await lab.flows('a')).map(({ reason }) => reason).join('\n');
    expect(reasons).to.contain('peer certificate names [b], expected one of [c]');
    writeFileSync(mapping, mappingText);
    await lab.reload('a');
    expect(await curl()).to.equal(0);
  });

  it('connections that the new mapping forbids go on, unless revoke_on_reload is set', async function () {
    this.timeout(180_000);
    const client = lab.spawn('a', ['/usr/bin/python3', '-c', KEEP_ASKING, String(servers.PORTS.nginx)]);
    const answers = (): number => client.stdout.split('ok').length;
    await waitFor(() => answers() > 2, 60_000, 'answers');
    writeFileSync(mapping, mappingText.replace('pod-b b', 'pod-b c'));
    await lab.reload('a');
    const seen = answers();
    await waitFor(() => answers() > seen + 3, 60_000, 'more answers');
    config.a.write({ revoke_on_reload: true });
    await lab.reload('a');
    const { code, stdout } = await client.ended;
    expect([code, stdout.trim().split('\n').at(-1)]).to.deep.equal([7, 'ConnectionAbortedError']);
    const flow = await waitFor(
      async () => (await lab.flows('a')).find(({ pid, state }) => pid === client.pid && state === 'closed'),
      30_000,
      'the flow closed',
    );
    expect(flow.reason).to.contain('no longer allowed: 10.77.0.2 is on c, and the connection was made with b');
    expect((await lab.status('a')).failures).to.have.property('TLSHUB_REVOKED', 1);
    expect(await lab.logs('a')).to.match(/closed python3\[\d+\] to node b: no longer allowed/);
  });

  it('a cgroup that appears later and matches is captured as it appears, and let go with its end', async () => {
    const late = join(CGROUPS, 'late-1');
    config.a.write({ 'capture.cgroup': `${CGROUPS}/a, ${CGROUPS}/late-*` });
    await lab.reload('a');
    expect((await lab.status('a')).cgroupsAwaited).to.deep.equal([`${CGROUPS}/late-*`]);
    mkdirSync(late);
    await waitFor(async () => (await lab.status('a')).cgroups.includes(late), 30_000, 'the new cgroup captured');
    const script = 'echo $$ > "$0"/cgroup.procs && exec curl -sSf -o "$1" "$2"';
    const program = lab.spawn('a', ['/bin/sh', '-c', script, late, at('out'), URL_ON_B], { outside: true });
    expect((await program.ended).code).to.equal(0);
    const flow = (await lab.flows('a')).find(({ pid }) => pid === program.pid);
    expect(flow).to.include({ kernelUlp: 'tls', peerNode: 'b' });
    await waitFor(
      () => {
        rmdirSync(late);
        return true;
      },
      30_000,
      'the cgroup empty',
    );
    await waitFor(async () => !(await lab.status('a')).cgroups.includes(late), 30_000, 'the cgroup let go');
    expect(await curl()).to.equal(0);
  });
});

/** The secret lines of a private key. */
function keyLines(folder: string, node: string): string[] {
  return readFileSync(join(folder, `${node}.key`), 'utf8')
    .trim()
    .split('\n')
    .slice(1, -1);
}
