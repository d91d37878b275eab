// SPDX-License-Identifier: Apache-2.0
/** The mapping from the Kubernetes API, down to what the gate lets connect. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { initCa, issueNode } from '../../../src/tls/lab-ca/pki.js';
import { startAgent } from '../harness/agent.js';
import { lab, waitFor, type Program } from '../harness/index.js';

const FOLDER = '/tmp/kubernetes-test';
const PORT = 6443;
const TOKEN = 'a-token-for-tests';
const URL = 'http://10.77.0.2:8000/';
const PATIENCE = 30_000;

type Pods = Record<string, { node: string; ips: string[] }>;
const CLIENT: Pods = { 'default/client': { node: 'a', ips: ['10.77.0.1', 'fd77::1'] } };
const serverOn = (node: string): Pods => ({ ...CLIENT, 'shop/server': { node, ips: ['10.77.0.2', 'fd77::2'] } });

describe('a mapping from the Kubernetes API', () => {
  let api: Program, agent: Program, server: Program;

  const write = (pods: Pods): void => writeFileSync(`${FOLDER}/pods.json`, JSON.stringify(pods));
  const tell = async (pods: Pods): Promise<void> => {
    write(pods);
    api.kill('SIGHUP');
    await waitFor(
      async () => {
        const known = await lab.mapping('a');
        const wanted = Object.entries(pods).map(([pod, { node }]) => `${pod} ${node}`);
        return (
          known
            .map(({ pod, node }) => `${pod} ${node}`)
            .sort()
            .join() === wanted.sort().join()
        );
      },
      PATIENCE,
      'the agent to know of it',
    );
  };
  const fetch = async (): Promise<number | null> =>
    (await lab.exec('a', ['curl', '-sSf', '-m', '20', '-o', '/dev/null', URL])).code;

  before(async () => {
    await initCa(`${FOLDER}/pki`, { name: 'cluster', days: 2 });
    const { certificate, key } = await issueNode(`${FOLDER}/pki`, 'kubernetes', { days: 1 });
    writeFileSync(
      `${FOLDER}/kubeconfig`,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'here',
        clusters: [
          {
            name: 'fake',
            cluster: {
              server: `https://127.0.0.1:${PORT}`,
              'certificate-authority': 'pki/ca.crt',
              'tls-server-name': 'kubernetes',
            },
          },
        ],
        users: [{ name: 'agent', user: { token: TOKEN } }],
        contexts: [{ name: 'here', context: { cluster: 'fake', user: 'agent' } }],
      }),
    );
    write(serverOn('b'));
    await lab.up({ without: 'a' });
    const program = resolve('build/test/programs/kubernetes-api.js');
    const files = [key, certificate, `${FOLDER}/pods.json`];
    api = lab.spawn('a', [process.execPath, program, String(PORT), TOKEN, ...files], { outside: true });
    await waitFor(() => api.stdout.includes('ready'), PATIENCE, 'the API server');
    agent = await startAgent('a', {
      TLSHUB_POD_SOURCE: 'kubernetes',
      TLSHUB_KUBERNETES_KUBECONFIG: `${FOLDER}/kubeconfig`,
    });
    server = lab.spawn('b', ['/usr/bin/python3', '-m', 'http.server', '8000', '--bind', '10.77.0.2']);
    await server.listening(8000);
  });

  after(async () => {
    await agent.stop('SIGINT');
    await api.stop();
    await lab.down();
  });

  it('secures connections to Pods, checked against the nodes that they run on', async () => {
    expect((await lab.status('a')).mapping.source).to.match(/^kubernetes \(/);
    expect(await fetch()).to.equal(0);
    const flow = (await lab.flows('a')).find(({ dport }) => dport === 8000);
    expect(flow).to.include({ peerNode: 'b', pod: 'shop/server', kernelUlp: 'tls' });
  });

  it('refuses a Pod that has moved, where its address is still answered for by the old node', async () => {
    await tell(serverOn('c'));
    expect(await fetch()).to.not.equal(0);
    const refused = (await lab.flows('a')).filter(({ state }) => state === 'refused').at(-1);
    expect(refused?.reason).to.match(/\bb\b.*\bc\b|\bc\b.*\bb\b/);
  });

  it('knows no address of a Pod that has gone, and secures it again when it is back, over an API that was away', async () => {
    await tell(CLIENT);
    expect(await fetch()).to.not.equal(0);
    await tell(serverOn('b'));
    expect(await fetch()).to.equal(0);
    api.kill('SIGSTOP');
    expect(await fetch(), 'without the API').to.equal(0);
    api.kill('SIGCONT');
  });
});
