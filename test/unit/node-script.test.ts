/** scripts/node, with a cache of our own and a registry that nobody answers for. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';

const SCRIPT = resolve('scripts/node');

describe('scripts/node', () => {
  const cache = mkdtempSync(join(tmpdir(), 'tlshub-node-'));
  const nodes = join(cache, 'tlshub-ebpf/node');
  after(() => rmSync(cache, { recursive: true }));

  before(() => {
    for (const version of ['24.9.1', '24.10.0', '25.0.0']) {
      mkdirSync(join(nodes, version, 'bin'), { recursive: true });
      writeFileSync(join(nodes, version, 'bin/node'), `#!/bin/sh\necho ${version} "$@"\n`, { mode: 0o755 });
    }
  });

  function run(...options: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
    const env = {
      ...process.env,
      XDG_CACHE_HOME: cache,
      npm_config_registry: 'http://127.0.0.1:9',
      npm_config_fetch_retries: '0',
    };
    return new Promise((done) =>
      execFile(SCRIPT, options, { env }, (error, stdout, stderr) =>
        done({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
      ),
    );
  }

  it('puts the newest of a major in the cache first on PATH, by numbers, and needs no network for it', async () => {
    expect(await run('24', '--', 'node', 'x')).to.deep.equal({ status: 0, stdout: '24.10.0 x\n', stderr: '' });
    expect((await run('v24.9.1', '--', 'node')).stdout).to.equal('24.9.1\n');
    expect((await run('25')).stdout).to.equal(`${join(nodes, '25.0.0')}\n`);
  });

  it('passes on the status of the command', async () => {
    expect((await run('24', '--', 'sh', '-c', 'exit 7')).status).to.equal(7);
    expect((await run('24', '--', 'no-such-command')).status).to.equal(127);
  });

  it('is not to be had: 69, and why', async () => {
    for (const options of [['26'], ['24.1.0', '--', 'node'], ['--update', '24']]) {
      const { status, stdout, stderr } = await run(...options);
      expect({ status, stdout }, stderr).to.deep.equal({ status: 69, stdout: '' });
      expect(stderr).to.include('the npm registry cannot be asked for node-linux-');
    }
  });

  it('is not understood: 64', async () => {
    for (const options of [[], ['x'], ['24.1'], ['24', 'node'], ['24', '--'], ['--what', '24']]) {
      const { status, stderr } = await run(...options);
      expect(status, options.join(' ')).to.equal(64);
      expect(stderr).to.match(/^(usage: |node: )/);
    }
    expect((await run('--help')).stdout).to.match(/^usage: scripts\/node /);
  });
});
