// SPDX-License-Identifier: Apache-2.0
/** The package as a program has it that depends on it: the example of docs/INTEGRATION_GUIDE.md runs as printed, and its types are there. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { startControlServer, type ControlServer } from '../../src/control/server.js';
import type { FlowReport } from '../../src/report/flow.js';
import { patience } from '../speed.js';
import { agentStatus } from './support/agent-status.js';
import { temporaryFolder } from './support/temporary.js';

const run = promisify(execFile);

/** The last block of JavaScript of a document. */
const example = (file: string): string => [...readFileSync(file, 'utf8').matchAll(/```js\n([^]*?)```/g)].at(-1)![1]!;

/** The block of the guide that is a mapping. */
function printedMapping(): string {
  const lines = readFileSync('docs/INTEGRATION_GUIDE.md', 'utf8').split('\n');
  const from = lines.findIndex((line) => line.startsWith('    # /etc/tlshub/pod_node_mapping.conf'));
  return lines
    .slice(from, lines.indexOf('', from))
    .map((line) => `${line.trim()}\n`)
    .join('');
}

describe('the package as a library', function () {
  this.timeout(patience(60_000));
  const path = temporaryFolder();
  let server: ControlServer | undefined;

  before(async () => {
    writeFileSync(path('package.json'), '{ "private": true }');
    await run('npm', ['install', '--offline', '--no-audit', '--no-fund', resolve('.')], { cwd: path() });
    writeFileSync(path('example.mjs'), example('docs/INTEGRATION_GUIDE.md'));
    writeFileSync(path('mapping.conf'), printedMapping());
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  it('asks an agent and reads a mapping, by the example as printed', async () => {
    const refused = { comm: 'curl', pod: 'db', state: 'refused', code: 'TLSHUB_PEER_CERTIFICATE' } as FlowReport;
    const asked: unknown[] = [];
    server = await startControlServer({
      path: path('run', 'control.sock'),
      handlers: {
        status: () =>
          Promise.resolve({
            ...agentStatus(),
            ready: false,
            problems: [{ severity: 'error', code: 'TLSHUB_GUARDIAN_MISSING', message: 'no guardian runs', remedy: '' }],
          }),
        flows: (query) => {
          asked.push(query);
          return Promise.resolve([refused]);
        },
      },
    });
    const { stdout } = await run('node', ['example.mjs', 'mapping.conf', server.path], { cwd: path() });
    expect(stdout.split('\n')).to.deep.equal([
      '2 pods on node-a, node-b, node-c',
      '10.1.1.20 is db on node-b',
      'not ready',
      'TLSHUB_GUARDIAN_MISSING: no guardian runs',
      'curl to db: TLSHUB_PEER_CERTIFICATE',
      '',
    ]);
    expect(asked).to.deep.equal([{ states: ['refused'] }]);
  });

  it('says what is wrong by code, remedy and exit status', () => {
    const ended = (...args: string[]): unknown[] => {
      const { status, stderr } = spawnSync('node', ['example.mjs', ...args], { cwd: path(), encoding: 'utf8' });
      return [status, stderr.split(':')[0]];
    };
    expect(ended('none.conf')).to.deep.equal([78, 'TLSHUB_MAPPING_UNREADABLE']);
    expect(ended('mapping.conf', path('no.sock'))).to.deep.equal([1, 'TLSHUB_CONTROL_UNREACHABLE']);
  });

  it('has types for all of it', async () => {
    const strict = { strict: true, module: 'nodenext', target: 'es2022', noEmit: true, skipLibCheck: true };
    const compilerOptions = { ...strict, types: ['node'], typeRoots: [resolve('node_modules/@types')] };
    writeFileSync(path('tsconfig.json'), JSON.stringify({ compilerOptions, files: ['typed.mts'] }));
    const wrong = "\n// @ts-expect-error there is no such operation\nawait controlRequest('x', 'no.such', {});\n";
    const text = example('docs/INTEGRATION_GUIDE.md').replace('ControlClient,', 'ControlClient, controlRequest,');
    writeFileSync(
      path('typed.mts'),
      `import type { ControlOperations, FlowReport, StatusReport } from 'tlshub-ebpf';\n${text}${wrong}
const flow = {} as ControlOperations['flows']['result'][number] satisfies FlowReport;
const name: string | null = flow.comm;
const ready: boolean = ({} as StatusReport).ready;
console.log(name, ready);
`,
    );
    await run(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', path('tsconfig.json')]);
  });

  it('has the same example in Chinese', () => {
    expect(example('docs/zh/INTEGRATION_GUIDE.md')).to.equal(example('docs/INTEGRATION_GUIDE.md'));
  });
});
