// SPDX-License-Identifier: Apache-2.0
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { CliContext, TerminalSize } from '../../src/cli/context.js';
import { noModule } from '../fakes/module-control.js';
import { EXAMPLES } from '../../src/cli/examples.js';
import { run } from '../../src/cli/program.js';
import { matchesFlow } from '../../src/control/flow-query.js';
import type { ChannelReport } from '../../src/report/channel.js';
import type { FlowReport } from '../../src/report/flow.js';
import { startControlServer, type ControlServer } from '../../src/control/server.js';
import { registerAgentMetrics } from '../../src/metrics/agent-metrics.js';
import { MetricsRegistry } from '../../src/metrics/registry.js';
import type { ReleaseOptions } from '../../src/release/release.js';
import { NotFoundError, ReleaseError } from '../../src/shared/errors/errors.js';
import type { ProbeResult } from '../../src/shared/kernel/kernel-addon.js';
import { agentStatus } from './support/agent-status.js';
import { nodeForOthers } from './support/node-for-others.js';
import { ERROR_CATALOG, ERROR_CODES } from '../../src/shared/errors/catalog.js';
import { temporaryFolder } from './support/temporary.js';

const SECURED: FlowReport = {
  cookie: '9007199254740993',
  role: 'active',
  src: '10.77.0.1',
  sport: 40000,
  dst: 'fd77::2',
  dport: 443,
  pid: 1234,
  comm: 'cu\u001b[2Jrl',
  pod: 'nginx-pod',
  peerNode: 'node-b',
  provider: 'openssl',
  exchange: 'channel',
  epoch: 0x8a0b0c,
  cipher: 'TLS_AES_128_GCM_SHA256',
  tlsVersion: 'TLSv1.3',
  state: 'secured',
  reason: '',
  code: '',
  remedy: '',
  ageMs: 3_700_000,
  synMs: 0.2,
  holdMs: 3.14159,
  dispatchMs: 0.4,
  queueMs: 0.14159,
  negotiationMs: 2.5,
  installMs: 0.1,
  bytesSent: 100,
  bytesReceived: 2 ** 40,
  kernelUlp: 'tls',
  hold: 'sleep',
};

const HELD: FlowReport = {
  ...SECURED,
  cookie: '7',
  dst: '10.77.0.2',
  pid: null,
  comm: null,
  pod: null,
  peerNode: null,
  provider: null,
  exchange: null,
  epoch: null,
  cipher: null,
  tlsVersion: null,
  state: 'held',
  reason: 'waits for the peer',
  synMs: null,
  holdMs: null,
  dispatchMs: null,
  queueMs: null,
  negotiationMs: null,
  installMs: null,
  bytesSent: null,
  bytesReceived: null,
  kernelUlp: null,
  hold: 'none',
};

const OPEN: ChannelReport = {
  node: 'node-b',
  direction: 'opened',
  state: 'open',
  epoch: 0x8a0b0c,
  library: 'openssl',
  cipher: 'TLS_AES_128_GCM_SHA256',
  group: 'X25519MLKEM768',
  ageMs: 61_000,
  flows: 42,
  renewals: 3,
  lastError: null,
};

const FAILED: ChannelReport = {
  ...OPEN,
  node: 'node-c',
  state: 'failed',
  ...{ epoch: 0, library: '', cipher: '', group: '', ageMs: 900, flows: 0, renewals: 0 },
  lastError: { code: 'TLSHUB_CHANNEL_REJECTED', reason: 'no \u001b[2J', at: '2026-01-01T00:00:00.000Z' },
};

const STATUS = agentStatus();

const PROBES: ProbeResult[] = [
  { name: 'bpf lsm', ok: true, detail: 'lsm=landlock,bpf', remedy: '' },
  { name: 'kernel TLS', ok: false, detail: 'no ulp tls', remedy: 'modprobe tls' },
];

interface Ended {
  status: number;
  out: string;
  err: string;
}

async function cli(args: string[], context: Partial<CliContext> = {}): Promise<Ended> {
  const ended: Ended = { status: -1, out: '', err: '' };
  ended.status = await run(args, {
    out: (text) => (ended.out += text),
    err: (text) => (ended.err += text),
    env: {},
    probe: () => [],
    library: () => 'OpenSSL 3',
    module: noModule,
    release: () => Promise.reject(new NotFoundError('nothing is pinned')),
    uid: 0,
    untilInterrupted: () => AbortSignal.abort(),
    ...context,
  });
  return ended;
}

/** All commands that --help tells of, and '' for tlshubctl itself. */
async function commandsBelow(path: string[]): Promise<string[]> {
  const { out } = await cli([...path, '--help']);
  const [, list = ''] = /\nCommands:\n((?: .*\n)+)/.exec(out) ?? [];
  const names = [...list.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name!).filter((name) => name !== 'help');
  const below = await Promise.all(names.map((name) => commandsBelow([...path, name])));
  return [path.join(' '), ...below.flat()];
}

describe('tlshubctl', () => {
  const path = temporaryFolder();
  let server: ControlServer;
  let flows: () => FlowReport[] = () => [SECURED, HELD];
  let channels: ChannelReport[] = [];
  afterEach(() => {
    flows = () => [SECURED, HELD];
    channels = [];
  });
  const metrics = new MetricsRegistry();
  registerAgentMetrics(metrics, () => STATUS);
  const ctl = (...args: string[]): Promise<Ended> => cli(['--socket', server.path, ...args]);

  before(async () => {
    const pods = [
      { pod: 'nginx-pod', node: 'node-a', addresses: ['10.77.0.1', 'fd77::1'] },
      { pod: 'redis-pod', node: 'node-b', addresses: [] },
    ];
    server = await startControlServer({
      path: path('control.sock'),
      handlers: {
        status: () => Promise.resolve(STATUS),
        flows: (query) => Promise.resolve(flows().filter((flow) => matchesFlow(flow, query))),
        channels: () => Promise.resolve(channels),
        'mapping.get': ({ pod }) => {
          const found = pods.find((one) => one.pod === pod);
          return found === undefined
            ? Promise.reject(new NotFoundError(`no pod ${pod} in the mapping`))
            : Promise.resolve(found);
        },
        'mapping.list': () => Promise.resolve(pods),
        'mode.get': () => Promise.resolve({ mode: 'openssl' }),
        metrics: async () => ({ text: await metrics.text(), families: await metrics.families() }),
      },
    });
  });
  after(() => server.close());

  it('shows flows as a table, with nothing of what a program calls itself reaching the terminal raw', async () => {
    const { status, out } = await ctl('flows');
    expect(status).to.equal(0);
    const lines = out.trimEnd().split('\n');
    expect(lines).to.have.length(3);
    expect(lines[0]).to.match(/^STATE +AGE +PROGRAM /);
    expect(lines[1]).to.match(/^held +61m +- /);
    expect(lines[2]!.split(/ {2,}/).slice(0, 6)).to.deep.equal([
      ...['secured', '61m', 'cu\\x1b[2Jrl (1234)', '10.77.0.1:40000', '[fd77::2]:443', 'node-b'],
    ]);
    const wide = await ctl('flows', '-o', 'wide');
    expect(wide.out).to.match(/ 9007199254740993 +active +channel +9046796 +sleep +-/);
    expect(JSON.parse((await ctl('flows', '-o', 'json', '--sort', 'state')).out)).to.deep.equal([HELD, SECURED]);
    for (const wrong of [
      ['-o', 'yaml'],
      ['--sort', 'size'],
    ])
      expect((await ctl('flows', ...wrong)).status).to.equal(64);
  });

  it('shows channels as a table, with nothing of what another node says reaching the terminal raw', async () => {
    expect(await ctl('channels')).to.deep.equal({ status: 0, out: 'no channels\n', err: '' });
    channels = [OPEN, FAILED];
    const { status, out } = await ctl('channels');
    expect(status).to.equal(0);
    const lines = out.trimEnd().split('\n');
    expect(lines).to.have.length(3);
    expect(lines[0]).to.match(
      /^NODE +DIRECTION +STATE +EPOCH +LIBRARY +CIPHER +GROUP +AGE +CONNECTIONS +RENEWALS +LAST ERROR$/,
    );
    expect(lines[1]!.split(/ {2,}/)).to.deep.equal([
      'node-b',
      'opened',
      'open',
      '9046796',
      'openssl',
      'TLS_AES_128_GCM_SHA256',
      'X25519MLKEM768',
      '0 h 1 min 1 s',
      '42',
      '3',
    ]);
    expect(lines[2]!.split(/ {2,}/)).to.deep.equal([
      'node-c',
      'opened',
      'failed',
      ...['-', '-', '-', '-'],
      '0 h 0 min 0 s',
      ...['0', '0'],
      '2026-01-01T00:00:00.000Z TLSHUB_CHANNEL_REJECTED: no \\x1b[2J',
    ]);
    expect(JSON.parse((await ctl('channels', '--json')).out)).to.deep.equal([OPEN, FAILED]);
  });

  it('prints JSON with --json, wherever it stands', async () => {
    for (const args of [
      ['flows', '--json'],
      ['--json', 'flows'],
    ]) {
      const { status, out } = await ctl(...args);
      expect(status).to.equal(0);
      expect(JSON.parse(out)).to.deep.equal([SECURED, HELD]);
    }
    expect(JSON.parse((await ctl('status', '--json')).out)).to.deep.equal(STATUS);
    expect(JSON.parse((await ctl('mode', 'get', '--json')).out)).to.deep.equal({ mode: 'openssl' });
    expect(JSON.parse((await ctl('mapping', 'get', 'nginx-pod', '--json')).out)).to.deep.include({ node: 'node-a' });
  });

  describe('explain', () => {
    const CODES = ['TLSHUB_PEER_UNKNOWN', 'tlshub_peer_unknown', 'peer_unknown'];
    for (const code of CODES) {
      it(`says what ${code} means and what to do, without a supervisor, in lines that fit`, async () => {
        const { status, out } = await cli(['explain', code], { terminal: () => ({ columns: 60, rows: 20 }) });
        expect(status).to.equal(0);
        const lines = out.split('\n');
        expect(lines[0]).to.equal('TLSHUB_PEER_UNKNOWN');
        for (const line of lines) expect(line.length, line).to.be.at.most(60);
        const text = lines.join(' ').replace(/ +/g, ' ');
        expect(text).to.include(ERROR_CATALOG.TLSHUB_PEER_UNKNOWN.meaning);
        expect(text).to.include(`What to do: ${ERROR_CATALOG.TLSHUB_PEER_UNKNOWN.remedy}`);
        expect(text).to.include('exit status 1');
      });
    }

    it('lists all codes when it is asked for none, and is JSON when that is wanted', async () => {
      const { out } = await cli(['explain']);
      for (const code of ERROR_CODES) expect(out).to.match(new RegExp(`^${code} `, 'm'));
      const one = JSON.parse((await cli(['explain', 'NO_KEY', '--json'])).out) as object;
      expect(one).to.deep.equal({ code: 'TLSHUB_NO_KEY', ...ERROR_CATALOG.TLSHUB_NO_KEY });
    });

    it('knows codes that are nearly right', async () => {
      const { status, err } = await cli(['explain', 'TLSHUB_PEER_CERT']);
      expect(status).to.equal(64);
      expect(err).to.match(/there is no code TLSHUB_PEER_CERT\n {2}Did you mean TLSHUB_PEER_\w+ or /);
      expect((await cli(['explain', 'nonsense'])).err).to.include('lists all codes');
    });
  });

  it('shows the status', async () => {
    const { status, out } = await ctl('status');
    expect(status).to.equal(0);
    const [head = '', general = '', traffic = '', ...more] = out.split('\n\n');
    expect(more).to.have.length(0);
    expect(head.split('\n')).to.deep.equal([
      '✘ not ready: new connections of node-a are not secured',
      '  ✘ no guardian runs (TLSHUB_GUARDIAN_MISSING)',
      '    → It is started again by itself; the log says why that fails.',
      '  ✘ something else (TLSHUB_STARTING)',
      '    → Wait.',
      '  ! no cgroup matches /sys/fs/cgroup/later: no program is captured by it',
      '    (TLSHUB_CGROUP_AWAITED)',
      '    → Make the cgroup.',
    ]);
    for (const line of [
      /^agent +9\.9\.9, pid 42, up 1 d 2 h 3 min 4 s$/m,
      /^exchange +channel$/m,
      /^policy +strict$/m,
      /^certificate +node-a, by TLSHub lab CA, until 2027-01-01, \/etc\/tlshub\/pki\/node\.crt$/m,
      /^CA +TLSHub lab CA, until 2036-01-01, \/etc\/tlshub\/pki\/ca\.crt$/m,
      /^waiting for +\/sys\/fs\/cgroup\/later$/m,
      /^mapping +8 pods, 9 networks, 4 services \(5 addresses, 1 without endpoint\), from file \/etc\/tlshub\/pod_node_mapping\.conf$/m,
      /^needs a restart +ring_bytes: 1048576 -> 65536$/m,
    ]) {
      expect(general).to.match(line);
    }
    expect(traffic).to.match(/^connections +held 1, negotiating 0, secured 5, plaintext 2, refused 0, closed 11$/m);
    expect(traffic).to.match(
      /^since the start +secured 12 \(channel 7, in-band 4, out-of-band 1\), plaintext 3, refused 2/m,
    );
    expect(traffic).to.match(/^refused +2 TLSHUB_PEER_CERTIFICATE\. Compare the names/m);
  });

  it('shows with -v how the agent is inside', async () => {
    const { out } = await ctl('status', '-v');
    for (const line of [
      /^provider +openssl \(active\): OpenSSL 3\.0\.17, \/usr\/bin\/node; 1 workers, 3 in flight, 1 queued/m,
      /^channels opened +opening 1, open 3, kept 2, failed 0; 15 since the start$/m,
      /^channels accepted +opening 0, open 4, kept 0, failed 0; 16 since the start$/m,
      /^channels failed +TLSHUB_CHANNEL_LOST 5; numbers taken twice 6$/m,
      /^half-open channels +8, turned away 9$/m,
      /^reloads +3 succeeded, 1 failed$/m,
      /^events +established 8, accepted 3; lost 0$/m,
      /^ring events +0 of 1048576 bytes used, 0 overflows$/m,
      /^gate +heldCalls 12; adopted from an earlier agent$/m,
      /^lease +2000 ms; guardian pid 43, started again 2 times$/m,
      /^hold +by putting threads to sleep; holder pid 4243, started again 1 times$/m,
      /^helpers +idle 4, busy 0, slow 0, lost 0, begun 7, lostEver 3, refused 6; lost in all threads 5$/m,
      /^otlp +http:\/\/127\.0\.0\.1:4318: metrics 600 exported, 200 dropped; access_log 31 exported, 2 dropped$/m,
      /^last reload +failed at 2026-01-01T00:00:00\.000Z: capture\.conf:3: mode: bad$/m,
    ]) {
      expect(out).to.match(line);
    }
  });

  it('shows the status in lines that fit, in colour on a terminal, without where NO_COLOR is set', async () => {
    const terminal = (): TerminalSize => ({ columns: 80, rows: 24 });
    const args = ['--socket', server.path, 'status', '-v'];
    const coloured = await cli(args, { terminal });
    expect(coloured.out.startsWith('\u001b[31m✘\u001b[0m \u001b[31mnot ready: ')).to.equal(true);
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
      const { out } = await cli(args, { terminal, env });
      expect(out).to.not.include('\u001b');
      for (const line of out.split('\n')) expect(line.length, line).to.be.at.most(80);
    }
    expect((await cli(args, { terminal, env: { NO_COLOR: '' } })).out).to.include('\u001b[31m');
  });

  it('ends with 1 for --ready where the agent is not, and says why', async () => {
    const ended = await ctl('status', '--ready', '--json');
    expect(ended.status).to.equal(1);
    expect(JSON.parse(ended.out)).to.include({ ready: false });
    expect(ended.err).to.include('TLSHUB_NOT_READY').and.include('no guardian runs; something else');
  });

  it('waits with --wait for an agent that is coming up', async () => {
    const waiting = cli(['--socket', path('late', 's.sock'), 'status', '--ready', '--wait', '30']);
    let looks = 0;
    const late = await startControlServer({
      path: path('late', 's.sock'),
      handlers: { status: () => Promise.resolve(++looks < 3 ? STATUS : { ...STATUS, ready: true, notReady: [] }) },
    });
    const { status, out } = await waiting;
    await late.close();
    expect({ status, looks }).to.deep.equal({ status: 0, looks: 3 });
    expect(out).to.match(/^! ready: new connections of node-a are secured, but there are \d warnings$/m);
    const tired = await ctl('status', '--ready', '--wait', '0.3');
    expect(tired.status).to.equal(1);
    expect((await ctl('status', '--wait', '3')).status).to.equal(64);
  });

  it('shows only flows of the states and the pod that are asked for', async () => {
    const cookies = async (...args: string[]): Promise<string[]> => {
      const { status, out } = await ctl('flows', '--json', ...args);
      expect(status).to.equal(0);
      return (JSON.parse(out) as FlowReport[]).map(({ cookie }) => cookie);
    };
    flows = () => [SECURED, HELD, { ...SECURED, cookie: '8', pod: 'web/nginx-pod', state: 'refused' }];
    expect(await cookies('--state', 'held')).to.deep.equal(['7']);
    expect(await cookies('--state', 'held,refused')).to.deep.equal(['7', '8']);
    expect(await cookies('--state', 'held', '--state', 'secured')).to.deep.equal([SECURED.cookie, '7']);
    expect(await cookies('--pod', 'nginx-pod')).to.deep.equal([SECURED.cookie, '8']);
    expect(await cookies('--pod', 'web/nginx-pod', '--state', 'refused')).to.deep.equal(['8']);
    expect(await cookies('--pod', 'nginx')).to.deep.equal([]);
    expect((await ctl('flows', '--state', 'closed')).out).to.equal('no flows\n');
    const wrong = await ctl('flows', '--state', 'held,bogus');
    expect(wrong.status).to.equal(64);
    expect(wrong.err).to.include('"bogus" is no state');
    for (const seconds of ['0', '-1', 'often', '0.01']) {
      expect((await ctl('flows', `--watch=${seconds}`)).status, seconds).to.equal(64);
    }
  });

  describe('flows --watch', () => {
    /** Lets the server have one state of things for each look, and ends after the last. */
    async function watch(looks: FlowReport[][], args: string[], context: Partial<CliContext> = {}): Promise<Ended> {
      const end = new AbortController();
      let look = 0;
      flows = () => {
        const now = looks[look++] ?? [];
        if (look === looks.length) end.abort();
        return now;
      };
      const options = { untilInterrupted: () => end.signal, ...context };
      return cli(['--socket', server.path, 'flows', '--watch', '0.1', ...args], options);
    }
    const GONE_ON: FlowReport = { ...HELD, state: 'secured' };

    it('writes a JSON line for each flow that is there, comes, changes or goes', async () => {
      const { status, out, err } = await watch([[HELD], [HELD], [GONE_ON, SECURED], [SECURED]], ['--json']);
      expect({ status, err }).to.deep.equal({ status: 0, err: '' });
      const lines = out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { change: string; flow: FlowReport });
      expect(lines.map(({ change, flow }) => [change, flow.cookie, flow.state])).to.deep.equal([
        ['present', '7', 'held'],
        ['changed', '7', 'secured'],
        ['new', SECURED.cookie, 'secured'],
        ['gone', '7', 'secured'],
      ]);
      expect(lines[0]!.flow).to.deep.equal(HELD);
    });

    it('writes lines for people where there is no terminal, harmless ones', async () => {
      const { out } = await watch([[], [SECURED]], []);
      expect(out).to.match(
        /^\S+Z {2}new {6}state=secured {2}age=61m .*source=10\.77\.0\.1:40000 .*cookie=9007199254740993 {2}role=active/,
      );
      expect(out).to.not.include('\u001b');
    });

    it('draws a terminal anew, what needs a look first, cut to its size, and leaves it as it was', async () => {
      const many = Array.from({ length: 40 }, (_, i) => ({ ...SECURED, cookie: String(1000 + i) }));
      const terminal = (): TerminalSize => ({ columns: 60, rows: 10 });
      const { status, out } = await watch([[...many, HELD], [SECURED]], [], { terminal });
      expect(status).to.equal(0);
      expect(out.startsWith('\u001b[?1049h\u001b[?25l\u001b[H')).to.equal(true);
      expect(out.endsWith('\u001b[?25h\u001b[?1049l')).to.equal(true);
      const [first = '', second = ''] = out.split('\u001b[H').slice(1);
      // eslint-disable-next-line no-control-regex
      const lines = first.replace(/\u001b\[[?0-9]*[A-Za-z]/g, '').split('\r\n');
      expect(lines.length).to.equal(10);
      expect(lines[0]).to.match(/^41 flows: 1 held, 40 secured/);
      expect(lines[3]).to.match(/^held /);
      expect(lines[4]).to.match(/^secured /);
      expect(lines[9]).to.equal('... 35 more');
      for (const line of lines) expect(line.length).to.be.at.most(60);
      expect(second).to.include('1 flows: 1 secured').and.include('[fd77::2]:443');
    });

    describe('over a restart of the supervisor', () => {
      const serve = (answer: () => FlowReport[]): Promise<ControlServer> =>
        startControlServer({
          path: path('other', 's.sock'),
          handlers: { flows: async () => Promise.resolve(answer()) },
        });

      /** A supervisor that stops when it has answered once; another one that comes when the first is missed, and answers once too. */
      async function overRestart(args: string[], context: Partial<CliContext> = {}): Promise<Ended> {
        const end = new AbortController();
        const first = await serve(() => [HELD]);
        let second: ControlServer | undefined;
        let out = '';
        const ended = await cli(['--socket', path('other', 's.sock'), 'flows', '--watch', '0.1', ...args], {
          untilInterrupted: () => end.signal,
          out: (text) => {
            if (out === '') void first.close();
            out += text;
            if (second !== undefined || !text.includes('away')) return;
            // Not at once: it looks again and again.
            setTimeout(() => {
              void serve(() => {
                end.abort();
                return [GONE_ON, SECURED];
              }).then((server) => (second = server));
            }, 350);
          },
          ...context,
        });
        await second?.close();
        return { ...ended, out };
      }

      it('says that it went away, and goes on with the next one', async () => {
        const { status, out, err } = await overRestart([]);
        expect({ status, err }).to.deep.equal({ status: 0, err: '' });
        const lines = out.trimEnd().split('\n');
        expect(lines.map((line) => line.split(/ {2,}/)[1])).to.deep.equal([
          'present',
          'away',
          'back',
          'changed',
          'new',
        ]);
        expect(lines[1]).to.match(/Z {2}away {5}the supervisor went away: waiting for it$/);
      });

      it('does so in JSON', async () => {
        const { out } = await overRestart(['--json']);
        const lines = out.trimEnd().split('\n');
        const changes = lines.map((line) => (JSON.parse(line) as { change: string }).change);
        expect(changes).to.deep.equal(['present', 'away', 'back', 'changed', 'new']);
      });

      it('leaves what was seen last on the screen', async () => {
        const { out } = await overRestart([], { terminal: () => ({ columns: 80, rows: 24 }) });
        const [before = '', away = '', after = ''] = out.split('\u001b[H').slice(1);
        expect(before).to.include('1 flows: 1 held');
        expect(away).to.match(/^the supervisor went away: waiting for it since \S+Z, Ctrl-C ends/);
        expect(away.slice(away.indexOf('\r\n'))).to.equal(before.slice(before.indexOf('\r\n')));
        expect(after).to.include('2 flows: 2 secured');
        expect(out.endsWith('\u001b[?1049l')).to.equal(true);
      });

      it('ends with an error where none is at the beginning, or one that refuses, and the terminal as it was', async () => {
        const watch = ['--socket', path('other', 's.sock'), 'flows', '--watch', '0.1'];
        expect(await cli(watch)).to.include({ status: 1, out: '' });
        let asked = 0;
        const refusing = await serve(() => {
          if (asked++ > 0) throw new NotFoundError('no more of it');
          return [];
        });
        const terminal = (): TerminalSize => ({ columns: 80, rows: 24 });
        const { status, out, err } = await cli(watch, {
          terminal,
          untilInterrupted: () => new AbortController().signal,
        });
        await refusing.close();
        expect(status).to.equal(1);
        expect(err).to.include('no more of it');
        expect(out.endsWith('\u001b[?1049l')).to.equal(true);
      });
    });
  });

  it('shows the mapping and the mode', async () => {
    expect((await ctl('mode', 'get')).out).to.equal('openssl\n');
    expect((await ctl('mapping', 'get', 'nginx-pod')).out).to.match(
      /^POD +NODE +ADDRESSES\nnginx-pod {2}node-a {2}10\.77\.0\.1 fd77::1\n$/,
    );
    expect((await ctl('mapping', 'list')).out).to.match(/redis-pod {2}node-b {2}-\n$/);
    const missing = await ctl('mapping', 'get', 'nobody');
    expect(missing).to.include({ status: 1, out: '' });
    expect(missing.err).to.match(
      /^tlshubctl: no pod nobody in the mapping \(TLSHUB_NOT_FOUND\)\n {2}List what there is/,
    );
  });

  it('prints the metrics as Prometheus would read them', async () => {
    const { status, out } = await ctl('metrics');
    expect(status).to.equal(0);
    expect(out)
      .to.match(/^# TYPE tlshub_flows gauge$/m)
      .and.match(/^tlshub_flows\{state="secured"\} 5$/m);
    expect(out.endsWith('\n') && !out.endsWith('\n\n')).to.equal(true);
    const families = JSON.parse((await ctl('metrics', '--json')).out) as { name: string }[];
    expect(families.map(({ name }) => name)).to.include('tlshub_flows_refused_total');
  });

  it('ends with 1 where no supervisor is, and says how to start one', async () => {
    const ended = await cli(['status', '--socket', path('none.sock')]);
    expect(ended.status).to.equal(1);
    expect(ended.err)
      .to.include(`not reachable on ${path('none.sock')}`)
      .and.include('node dist/supervisor.js');
    const json = await cli(['status', '--json'], { env: { TLSHUB_CONTROL_SOCKET: path('none.sock') } });
    expect(json.status).to.equal(1);
    expect(JSON.parse(json.err)).to.have.nested.property('error.code', 'TLSHUB_CONTROL_UNREACHABLE');
    expect(json.err).to.include(path('none.sock'));
  });

  it('ends with 64 for a wrong command line', async () => {
    for (const args of [
      [],
      ['bogus'],
      ['mapping'],
      ['mapping', 'get'],
      ['status', '--bogus'],
      ['flows', 'extra'],
      ['channels', 'extra'],
      ['--socket'],
      ['pki', 'init'],
    ]) {
      const ended = await cli(args);
      expect(ended.status, args.join(' ')).to.equal(64);
      expect(ended.out).to.equal('');
      expect(ended.err).to.not.equal('');
    }
  });

  it('explains itself', async () => {
    const help = await cli(['--help']);
    expect(help.status).to.equal(0);
    for (const word of ['check', 'status', 'flows', 'channels', 'mapping', 'mode', 'pki', '69 the kernel cannot do it'])
      expect(help.out).to.include(word);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await cli(['--version'])).to.deep.equal({ status: 0, out: `${version}\n`, err: '' });
  });

  it('teaches each command by examples, which are all commands that there are', async () => {
    const commands = await commandsBelow([]);
    expect(commands).to.include.members(['', 'reload', 'mapping get', 'pki issue', 'completion']);
    expect(Object.keys(EXAMPLES).sort()).to.deep.equal(commands.sort());
    for (const command of commands) {
      const { status, out } = await cli([...command.split(' ').filter(Boolean), '--help']);
      expect(status, command).to.equal(0);
      expect(out, command).to.match(/\nExamples?:\n/);
      for (const [example, meaning] of EXAMPLES[command]!)
        expect(out, command).to.include(example).and.include(meaning);
    }
    for (const [command] of Object.values(EXAMPLES).flat()) {
      const words = /tlshubctl ([^|>)]*)/
        .exec(command)![1]!
        .replaceAll('"', '')
        .replace('--wait 60', '--wait 0.1')
        .trim()
        .split(' ');
      const here = words.map((word) =>
        word.replace('/etc/tlshub/pki', path('examples')).replace(/^\/tmp(?=\/)/, path()),
      );
      // By itself it would write into the checkout.
      if (here.join() === 'bug-report') here.push(path('report.tar.gz.of-the-folder'));
      const { status, err } = await cli(['--socket', path('none.sock'), ...here]);
      expect(status, `${command}: ${err}`).to.be.oneOf(
        here.includes('--config') ? [78] : here.includes('KEY') ? [64] : [0, 1],
      );
    }
  });

  describe('check', () => {
    it('lists what is there', async () => {
      const ended = await cli(['check'], { probe: () => PROBES.slice(0, 1) });
      expect(ended).to.include({ status: 0, err: '' });
      expect(ended.out).to.equal('✔ bpf lsm  lsm=landlock,bpf\n\nnothing is missing\n');
    });

    it('ends with 69 for what is missing, with its remedy', async () => {
      const ended = await cli(['check'], { probe: () => PROBES });
      expect(ended.status).to.equal(69);
      expect(ended.out).to.match(/^✘ kernel TLS +no ulp tls\n {4}→ modprobe tls\n\nmissing: 1 of 2$/m);
      const terminal = (): TerminalSize => ({ columns: 40, rows: 10 });
      const long = { name: 'x', ok: false, detail: 'word '.repeat(30), remedy: 'do '.repeat(30) };
      const narrow = await cli(['check'], { probe: () => [...PROBES, long], terminal, env: { NO_COLOR: '1' } });
      for (const line of narrow.out.split('\n')) expect(line.length, line).to.be.at.most(40);
      expect(ended.err).to.include('missing kernel TLS');
      const json = await cli(['check', '--json'], { probe: () => PROBES });
      expect(json.status).to.equal(69);
      expect(JSON.parse(json.out)).to.deep.equal(PROBES);
    });

    it('ends with 77 where the missing may only be a missing right', async () => {
      const ended = await cli(['check'], { probe: () => PROBES, uid: 1000 });
      expect(ended.status).to.equal(77);
      expect(ended.err).to.include('sudo tlshubctl check');
    });

    it('says what to do if the addon is not built, or fails', async () => {
      const failing = (code: string, errno?: string) => (): never => {
        throw Object.assign(new Error(`it failed\nRequire stack`), { code, errno });
      };
      const missing = await cli(['check'], { probe: failing('MODULE_NOT_FOUND') });
      expect(missing.status).to.equal(1);
      expect(missing.err).to.include('npm run build').and.not.include('Require stack');
      expect((await cli(['check'], { probe: failing('TLSHUB_SYS', 'EPERM') })).status).to.equal(77);
    });
  });

  describe('release', () => {
    const RELEASED = { pinDir: '/sys/fs/bpf/x', pins: 40, ended: 2, secured: 3, continued: 1 };

    it('says what it has done', async () => {
      const asked: ReleaseOptions[] = [];
      const release = (options: ReleaseOptions): Promise<typeof RELEASED> => {
        asked.push(options);
        return Promise.resolve(RELEASED);
      };
      const ended = await cli(['--socket', '/s', 'release', '--pin-dir', '/sys/fs/bpf/x'], { release });
      expect(ended).to.include({ status: 0, err: '' });
      expect(ended.out).to.equal(
        'released /sys/fs/bpf/x: 40 pins\nconnections ended: 2\nsecured connections that run on: 3\nprocesses continued: 1\n',
      );
      const json = await cli(['release', '--json'], { release, env: { TLSHUB_BPF_PIN_DIR: '/sys/fs/bpf/y' } });
      expect(JSON.parse(json.out)).to.deep.equal(RELEASED);
      await cli(['release', '--wait', '60'], { release });
      expect(asked).to.deep.equal([
        { pinDir: '/sys/fs/bpf/x', controlSocket: '/s', waitMs: 0 },
        { pinDir: '/sys/fs/bpf/y', controlSocket: '/run/tlshub/control.sock', waitMs: 0 },
        { pinDir: '/sys/fs/bpf/tlshub', controlSocket: '/run/tlshub/control.sock', waitMs: 60_000 },
      ]);
    });

    it('needs root, and an addon', async () => {
      const ended = await cli(['release'], { uid: 1000 });
      expect(ended.status).to.equal(77);
      expect(ended.err).to.include('sudo tlshubctl release');
      const missing = Object.assign(new Error('no addon'), { code: 'MODULE_NOT_FOUND' });
      expect((await cli(['release'], { release: () => Promise.reject(missing) })).err).to.include('npm run build');
    });

    it('ends with 1 and says why when there is nothing, or somebody uses it', async () => {
      expect((await cli(['release'])).status).to.equal(1);
      const alive = (): Promise<never> => Promise.reject(new ReleaseError('TLSHUB_RELEASE_ALIVE', 'is in use'));
      const ended = await cli(['release', '--json'], { release: alive });
      expect(ended.status).to.equal(1);
      expect(JSON.parse(ended.err)).to.deep.equal({ error: { code: 'TLSHUB_RELEASE_ALIVE', message: 'is in use' } });
    });
  });

  describe('pki', () => {
    it('makes a CA and a node', async () => {
      const ca = await cli(['pki', 'init', path('pki'), '--name', 'my CA']);
      expect(ca).to.include({ status: 0, err: '' });
      expect(ca.out).to.include(path('pki', 'ca.crt'));
      const node = await cli(['pki', 'issue', 'node-a', '--dir', path('pki'), '--json']);
      expect(node.status).to.equal(0);
      expect(JSON.parse(node.out)).to.include({
        certificate: path('pki', 'node-a.crt'),
        key: path('pki', 'node-a.key'),
      });
      expect(existsSync(path('pki', 'node-a.key'))).to.equal(true);
    });

    it('makes certificates that have expired', async () => {
      const args = ['pki', 'issue', 'old', '--dir', path('pki'), '--json'];
      const { notAfter } = JSON.parse((await cli([...args, '--days', '-2'])).out) as { notAfter: string };
      expect(Date.parse(notAfter)).to.be.lessThan(Date.now() - 86_400_000);
      const dated = await cli([...args, '--not-after', '2021-05-06', '--force']);
      expect(JSON.parse(dated.out)).to.include({ notAfter: '2021-05-06T00:00:00.000Z' });
    });

    it('does not overwrite, and refuses nonsense', async () => {
      const again = await cli(['pki', 'init', path('pki')]);
      expect(again.status).to.equal(1);
      expect(again.err).to.include('exists already').and.include('--force');
      for (const more of [
        ['--days', 'ten'],
        ['--not-after', 'tomorrow'],
        ['--not-after', '2021-13-45'],
        ['--not-before', '2199-01-01'],
      ]) {
        expect((await cli(['pki', 'issue', 'x', '--dir', path('pki'), ...more])).status, more.join(' ')).to.equal(64);
      }
      expect((await cli(['pki', 'issue', '*.x', '--dir', path('pki')])).status).to.equal(64);
      expect((await cli(['pki', 'issue', 'x', '--dir', path('nowhere')])).status).to.equal(1);
    });
  });

  describe('as a process', () => {
    const script = fileURLToPath(new URL('../../src/cli/tlshubctl.js', import.meta.url));
    const node = nodeForOthers();
    after(() => node.remove());
    const spawn = (args: string[], options: { uid?: number } = {}): SpawnSyncReturns<string> =>
      spawnSync(node.path, [script, ...args], { encoding: 'utf8', cwd: '/', ...options });

    it('passes output and exit status on', () => {
      expect(spawn(['--version']).stdout).to.match(/^\d+\.\d+\.\d+\n$/);
      expect(spawn(['bogus']).status).to.equal(64);
      const ended = spawn(['status', '--socket', path('none.sock')]);
      expect(ended.status).to.equal(1);
      expect(ended.stdout).to.equal('');
      expect(ended.stderr).to.match(/^tlshubctl: the supervisor is not reachable/);
    });

    it('ends with 77 for a user who may not use the socket', () => {
      const root = process.getuid?.() === 0;
      // nobody cannot enter the folder; a user who is not root is kept out by the mode.
      if (!root) chmodSync(server.path, 0);
      const ended = spawn(['status', '--socket', server.path], root ? { uid: 65534 } : {});
      expect(ended.stderr).to.include('not permitted to use the control socket').and.include('as root');
      expect(ended.status).to.equal(77);
    });
  });
});
