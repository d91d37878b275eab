// SPDX-License-Identifier: Apache-2.0
/** Servers that hand a connection to a program of its own: xinetd, as its standard input and output, and git's daemon. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { lab, type Program, type Result } from '../harness/index.js';
import { at, digest, digestOf, makeContent, makeFolder, type Content } from '../matrix/files.js';
import { B, inThePatientLab } from './support.js';

const CAT = 7580;
const RSYNC = 7581;
const GIT = 7582;
const NAMES = ['one', 'two', 'three', 'four'];
const GIT_USER = ['-c', 'user.name=lab', '-c', 'user.email=lab@example.org', '-c', 'safe.directory=*'];

const service = (name: string, port: number, server: string): string => `service ${name}
{
 type = UNLISTED
 port = ${port}
 socket_type = stream
 protocol = tcp
 wait = no
 user = root
 ${server}
}
`;

function worked({ code, stderr }: Result): void {
  expect(code, stderr).to.equal(0);
}

describe('a program that a server starts for a connection', () => {
  let contents: Content[] = [];
  const servers: Program[] = [];

  const serve = async (command: readonly string[], port: number): Promise<void> => {
    const server = lab.spawn('b', command, { env: { HOME: at('') } });
    servers.push(server);
    await server.listening(port);
  };
  const expectCopy = (folder: string): void => {
    expect(NAMES.map((name) => digestOf(at(`${folder}/${name}`)))).to.deep.equal(contents.map(({ sha256 }) => sha256));
  };

  inThePatientLab();
  before(async () => {
    makeFolder();
    for (const folder of ['source', 'target', 'repositories']) mkdirSync(at(folder));
    contents = NAMES.map((name, i) => makeContent(`source/${name}`, 20_000 * (i + 1)));
    const modules = ['source', 'target'].map((name) => `[${name}]\npath = ${at(name)}\nread only = no\n`);
    writeFileSync(at('rsyncd.conf'), `use chroot = no\nuid = root\ngid = root\n${modules.join('')}`);
    const daemon = `server = /usr/bin/rsync\n server_args = --daemon --config=${at('rsyncd.conf')}`;
    writeFileSync(
      at('xinetd.conf'),
      `defaults\n{\n}\n${service('cat', CAT, 'server = /bin/cat')}${service('rsync', RSYNC, daemon)}`,
    );
    await serve(['xinetd', '-dontfork', '-f', at('xinetd.conf'), '-pidfile', at('xinetd.pid')], RSYNC);
  });
  after(async () => {
    for (const server of servers) await server.stop();
  });

  it('is cat, by xinetd: all comes back, and then the end', async () => {
    const content = makeContent('echoed', 100_000, true);
    const { stdout, ...result } = await lab.exec('a', ['nc', '-N', B, String(CAT)], {
      input: readFileSync(content.path),
    });
    worked({ stdout, ...result });
    expect(digest(stdout)).to.equal(content.sha256);
  });

  it('is rsync, by xinetd: files come and go', async () => {
    const address = (name: string): string => `rsync://${B}:${RSYNC}/${name}/`;
    worked(await lab.exec('a', ['rsync', '-a', address('source'), at('got/')]));
    expectCopy('got');
    worked(await lab.exec('a', ['rsync', '-a', at('source/'), address('target')]));
    expectCopy('target');
  });

  it("is git's upload-pack, by git's daemon: a clone has all files", async () => {
    const repository = at('repositories/lab');
    execFileSync('cp', ['-r', at('source'), repository]);
    for (const command of [
      ['init', '-q'],
      ['add', '.'],
      ['commit', '-qm', 'all'],
    ])
      execFileSync('git', [...GIT_USER, '-C', repository, ...command]);
    writeFileSync(at('.gitconfig'), '[safe]\n directory = *\n');
    const options = ['--export-all', '--reuseaddr', `--base-path=${at('repositories')}`, `--port=${GIT}`];
    await serve(['git', 'daemon', ...options], GIT);
    worked(await lab.exec('a', ['git', 'clone', '-q', `git://${B}:${GIT}/lab`, at('clone')]));
    expectCopy('clone');
  });
});
