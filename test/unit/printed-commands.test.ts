// SPDX-License-Identifier: Apache-2.0
/** Every command that README and docs print: it is run by a test as it is printed, here or where the table below says. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { run } from '../../src/cli/program.js';
import { noModule } from '../fakes/module-control.js';
import { documents, printedBlock, printedCommands } from '../printed.js';
import { patience } from '../speed.js';

/** Which commands are run where; what that file has in it shows that it does. */
const ELSEWHERE: { like: RegExp; file: string; has: RegExp }[] = [
  { like: /^npm (start|test)$/, file: 'scripts/fresh', has: /npm (start|test)/ },
  {
    like: /^(npm start -- --keep|scripts\/vm --attach)/,
    file: 'test/unit/vm-attach.test.ts',
    has: /scripts\/vm-attach', 'host'/,
  },
  {
    like: /^(npm run (setup|build)|scripts\/setup --product && scripts\/build --product)$/,
    file: 'scripts/start',
    has: /scripts\/setup\nscripts\/build/,
  },
  { like: /&& deploy\/install$/, file: 'test/unit/deploy.test.ts', has: /deploy\/install/ },
  { like: /^deploy\/install --boot-gate$/, file: 'test/unit/deploy.test.ts', has: /'--boot-gate'/ },
  {
    like: /^scripts\/vm -- bash -c 'scripts\/lab up/,
    file: 'test/vm/operating/readme.test.ts',
    has: /scripts\/lab up/,
  },
  {
    like: /^(node dist\/supervisor\.js|echo \$\$ >|curl )/,
    file: 'test/vm/operating/readme.test.ts',
    has: /On a host/,
  },
  { like: /^tlshub_bench /, file: 'test/vm/operating/readme.test.ts', has: /tlshub_bench -m client/ },
  { like: /^node dist\/cli\/tlshub_handshake\.js /, file: 'test/native/tlshub.test.ts', has: /tlshub_handshake/ },
  { like: /^test\/perf_test\.sh /, file: 'test/vm/perf/figures.test.ts', has: /perf_test\.sh/ },
  { like: /^tlshubctl tlshub /, file: 'test/vm/module/commands.test.ts', has: /genkey/ },
  // Not run: they need what no machine of the tests has. What they are given is checked there.
  { like: /^docker build -f deploy\/Dockerfile/, file: 'test/unit/deploy.test.ts', has: /validateDockerfile/ },
  {
    like: /^kubectl apply -f deploy\/kubernetes/,
    file: 'test/unit/deploy.test.ts',
    has: /deploy\/kubernetes\/tlshub\.yaml/,
  },
  { like: /^npm run deb$/, file: 'test/unit/deb.test.ts', has: /'scripts\/deb'/ },
  { like: /^apt-get install \.\/build\/deb/, file: 'scripts/test-deb', has: /install \$here\/one\.deb/ },
  { like: /^helm /, file: 'test/unit/chart.test.ts', has: /printedCommands\('docs\/KUBERNETES\.md'\)/ },
  // Not run: they need a cluster. That the objects have these names is checked there.
  { like: /^kubectl (create|label|rollout) /, file: 'test/unit/chart.test.ts', has: /kubectl rollout status/ },
  {
    like: /^systemctl daemon-reload( && systemctl restart tlshub)?$/,
    file: 'test/unit/deploy.test.ts',
    has: /systemd-analyze/,
  },
  // Not run: they need headers of the machine's own kernel, and change it. The same is done in the virtual machine.
  { like: /^scripts\/module host/, file: 'scripts/test', has: /scripts\/module "\$kernel"/ },
  { like: /^modprobe -a libchacha20poly1305 /, file: 'test/vm/module/keys.test.ts', has: /module: true/ },
  // Not run: hours of measurements, and a finished experiment that is kept for whoever repeats it.
  { like: /^npm run bench -- peers/, file: 'bench/benchmarks.txt', has: /^peers/m },
  { like: /channel-trial/, file: 'test/channel-trial/trial.c', has: /main\(/ },
];

/** What is run here, as root in mount namespaces of its own: settings of the host are neither read nor written. */
const HERE = /^(node dist\/cli\/tlshubctl\.js |mkdir -p \/|cp -n config\/)/;
const SANDBOX = `set -e
mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work && mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc
rm -rf /etc/tlshub
mount -t tmpfs tmpfs /sys/fs/cgroup
`;

const withoutComments = (text: string): string => text.replace(/\s+#.*$/gm, '');

/** Runs a block as printed, all but what `ELSEWHERE` has; `check` may find that this kernel cannot do it. */
function inSandbox(block: string): { status: number | null; out: string } {
  const lines = block.split('\n').filter((line) => HERE.test(line));
  const script = lines.map((line) =>
    /tlshubctl\.js check(?! --config)/.test(line) ? `${line.replace(/ +#.*/, '')} || [ $? = 69 ]` : line,
  );
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', '--propagation', 'private', 'bash', '-c', `${SANDBOX}${script.join('\n')}`],
    { encoding: 'utf8', timeout: patience(60_000) },
  );
  return { status, out: stdout + stderr };
}

describe('what the documents print', () => {
  for (const file of documents()) {
    const commands = printedCommands(file);
    if (commands.length === 0) continue;
    it(`${file}: each of ${commands.length} commands is run by a test`, () => {
      for (const { line, command } of commands) {
        if (HERE.test(command) && !/channel-trial/.test(command)) continue;
        const where = ELSEWHERE.find(({ like }) => like.test(command));
        expect(where, `${file}:${line}: no test runs ${command}`).to.be.an('object');
        expect(readFileSync(where!.file, 'utf8'), `${where!.file} runs ${command}`).to.match(where!.has);
      }
    });
  }

  for (const [file, part] of [
    ['README.md', 'pki init'],
    ['README.zh-CN.md', 'pki init'],
  ] as const) {
    it(`${file}: what is to be done on a host works as printed, up to the agent`, function () {
      if (process.getuid?.() !== 0) this.skip();
      const { status, out } = inSandbox(printedBlock(file, part));
      expect(status, out).to.equal(0);
      expect(out).to.match(/^✔ certificate +\S+, by TLSHub lab CA/m);
      expect(out).to.match(/^key +\/etc\/tlshub\/pki\/node\.key$/m);
    });
  }

  for (const file of ['docs/INTEGRATION_GUIDE.md', 'docs/zh/INTEGRATION_GUIDE.md']) {
    it(`${file}: the steps by hand work in their order`, function () {
      if (process.getuid?.() !== 0) this.skip();
      const commands = printedCommands(file).map(({ text }) => text);
      const { status, out } = inSandbox(commands.join('\n'));
      expect(status, out).to.equal(0);
      expect(out).to.match(/^✔ certificate /m);
    });
  }

  it('is the same in Chinese, but for the comments', () => {
    const commands = (file: string): string[] => printedCommands(file).map(({ command }) => withoutComments(command));
    expect(commands('README.zh-CN.md')).to.deep.equal(commands('README.md'));
    for (const file of documents().filter((name) => name.startsWith('docs/zh/')))
      expect(commands(file), file).to.deep.equal(commands(file.replace('/zh', '')));
  });

  it('within sentences names commands and options that tlshubctl has', async () => {
    const help = new Map<string, string>();
    const helpOf = async (words: string[]): Promise<string> => {
      const key = words.join(' ');
      let text = help.get(key);
      if (text === undefined) {
        const pieces: string[] = [];
        const out = (more: string): void => void pieces.push(more);
        const context = { out, err: out, env: {}, probe: () => [], library: () => '', uid: 0 };
        await run([...words, '--help'], {
          ...context,
          module: noModule,
          release: () => Promise.reject(new Error('not asked')),
          untilInterrupted: () => AbortSignal.abort(),
        });
        text = pieces.join('');
        help.set(key, text);
      }
      return text;
    };
    for (const file of documents()) {
      for (const [, inner = ''] of readFileSync(file, 'utf8').matchAll(/`tlshubctl ([^`]+)`/g)) {
        const words = inner.replace(/[[\]]/g, '').split(/\s+/);
        const names = words.filter((word) => /^[a-z]+$/.test(word)).slice(0, 2);
        const top = await helpOf([]);
        if (names[0] !== undefined)
          expect(top, `${file}: tlshubctl ${inner}`).to.match(new RegExp(`^  ${names[0]}\\b`, 'm'));
        const text = await helpOf(names.slice(0, ['mapping', 'mode', 'pki'].includes(names[0] ?? '') ? 2 : 1));
        for (const option of words.filter((word) => /^--?[a-z]/.test(word))) {
          expect(text, `${file}: tlshubctl ${inner}`).to.include(option.replace(/[=,|].*$/, ''));
        }
      }
    }
  });

  it('of npm and of scripts is there', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
    for (const file of documents()) {
      const text = readFileSync(file, 'utf8');
      for (const [, name = ''] of text.matchAll(/`npm run ([\w:]+)/g))
        expect(scripts, `${file}: npm run ${name}`).to.have.property(name);
      for (const [, path = ''] of text.matchAll(/`(scripts\/[\w-]+)[ `]/g))
        expect(existsSync(path), `${file}: ${path}`).to.equal(true);
    }
  });
});
