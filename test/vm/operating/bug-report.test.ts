// SPDX-License-Identifier: Apache-2.0
/** `tlshubctl bug-report` of a running agent: all that is wanted is in it, and none of the secrets that there are on the node. */
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type { BugReport } from '../../../src/cli/bug-report.js';
import type { StatusReport } from '../../../src/report/status.js';
import type { DetailedFlowReport } from '../../../src/supervisor/flow/table.js';
import { unpack } from '../../unit/support/archive.js';
import { lab } from '../harness/index.js';

const FOLDER = '/tmp/tlshub-bug-report';
const CTL = resolve('dist/cli/tlshubctl.js');
const LAB = '/run/tlshub-lab';
const KEYLOG = `${FOLDER}/keys.log`;
const TOKEN = 'planted-token-of-a-collector';
const COMMENT = 'planted-passphrase-in-a-comment';

/** Lines of base64 of all private keys of the lab, and each secret of the key log, in hexadecimal and base64. */
function secrets(): string[] {
  const pki = join(LAB, 'pki');
  const keys = readdirSync(pki).filter((name) => name.endsWith('.key'));
  const pem = keys.flatMap((name) => readFileSync(join(pki, name), 'utf8').split('\n'));
  const logged = readFileSync(KEYLOG, 'utf8').match(/(?<= )[0-9a-f]{64,}$/gm) ?? [];
  expect(keys).to.not.deep.equal([]);
  expect(logged).to.have.length.at.least(4);
  return [
    ...pem.filter((line) => line.length > 20 && !line.startsWith('-----')),
    ...logged.flatMap((hex) => [hex, Buffer.from(hex, 'hex').toString('base64')]),
    ...[TOKEN, COMMENT].flatMap((text) => [text, Buffer.from(text).toString('base64')]),
  ];
}

describe('a bug report of a running agent', () => {
  let found: Map<string, string>;
  let report: BugReport;
  let status: StatusReport;
  let flow: DetailedFlowReport;

  before(async () => {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(`${FOLDER}/headers`, `authorization: Bearer ${TOKEN}\n`, { mode: 0o600 });
    await lab.up({
      set: {
        'a:keylog_file': KEYLOG,
        'a:otlp.endpoint': 'http://127.0.0.1:4318',
        'a:otlp.headers_file': `${FOLDER}/headers`,
      },
    });
    appendFileSync(lab.config('a'), `\n# ${COMMENT}\n`);
    const serve = ['/usr/bin/python3', '-m', 'http.server', '8000', '--bind', '10.77.0.2', '--directory', FOLDER];
    await lab.spawn('b', serve).listening(8000);
    expect((await lab.exec('a', ['curl', '-sf', '-o', '/dev/null', 'http://10.77.0.2:8000/headers'])).code).to.equal(0);
    status = await lab.status('a');
    [flow] = ((await lab.flows('a')) as DetailedFlowReport[]).filter(({ dport }) => dport === 8000) as [
      DetailedFlowReport,
    ];
    // No journal runs here: what is asked for the log reads the agent's own, as the journal has it from it.
    const journal = `${FOLDER}/journalctl`;
    writeFileSync(journal, `#!/bin/sh\ncat ${LAB}/a/log\n`);
    chmodSync(journal, 0o755);
    const file = `${FOLDER}/report.tar.gz`;
    const command = [process.execPath, CTL, '--socket', `${LAB}/a/control.sock`, '--json', 'bug-report', file];
    const env = { PATH: `${FOLDER}:${process.env.PATH}`, TLSHUB_BPF_PIN_DIR: '/sys/fs/bpf/tlshub-lab-a' };
    const ended = await lab.exec('a', command, { outside: true, env });
    expect(ended.code, ended.stderr).to.equal(0);
    report = JSON.parse(ended.stdout) as BugReport;
    expect(statSync(file).mode & 0o777).to.equal(0o600);
    found = await unpack(file);
  });
  after(async () => {
    await lab.down();
    rmSync(FOLDER, { recursive: true });
  });

  it('has every part, with what the agent says of itself', async () => {
    expect(report.parts.filter(({ missing }) => missing !== null)).to.deep.equal([]);
    expect([...found.keys()]).to.have.members([...report.parts.map(({ name }) => name), 'CONTENTS.txt']);
    const json = (name: string): unknown => JSON.parse(found.get(name)!);
    expect(json('status.json')).to.include({ pid: status.pid, node: 'a', version: status.version });
    const cookies = (json('flows.json') as DetailedFlowReport[]).map(({ cookie }) => cookie);
    expect(cookies).to.include(flow.cookie);
    expect(found.get('metrics.txt')).to.match(/^tlshub_flows_secured_total [1-9]/m);
    expect(found.get('config.txt'))
      .to.include(`keylog_file = ${KEYLOG}`)
      .and.include(`otlp.headers_file = ${FOLDER}/headers`)
      .and.include(`tls.key = ${LAB}/pki/a.key`);
    expect(json('check.json')).to.have.length.greaterThan(3);
    expect(found.get('kernel.txt'))
      .to.match(/^lsm .*bpf/m)
      .and.match(/^tls /m);
    const pins = readdirSync('/sys/fs/bpf/tlshub-lab-a', { recursive: true, encoding: 'utf8' });
    for (const pin of pins) expect(found.get('bpf.txt')).to.include(`  ${pin}\n`);
    expect(found.get('bpf.txt')).to.match(/^maps:\n\d+: /m);
    expect(found.get('log.txt'))
      .to.include('ready: node a')
      .and.include((await lab.logs('a')).split('\n')[0]!);
  });

  it('has none of the secrets that the agent works with, or that lie beside it', () => {
    const all = [...found].map(([name, text]) => `${name}\n${text}`).join('\n');
    const out = all + JSON.stringify(report);
    for (const secret of secrets()) expect(out.toLowerCase().includes(secret.toLowerCase()), secret).to.equal(false);
  });
});
