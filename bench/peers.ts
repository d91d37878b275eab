// SPDX-License-Identifier: Apache-2.0
/**
 * This project beside what else a user could pick, all in one run on the same veth. Needs root, a kernel that can, and Debian's stunnel4, haproxy
 * and nginx with its stream module.
 *
 *   node build/bench/peers.js [DIR] [--rounds N] [--seconds S] [--megabytes N] [--idle N,N...] [--rest S] [--warm N]
 *       [--contenders NAME,NAME...] [--host TEXT]
 *
 * --idle: numbers of idle connections to measure memory at, what each adds to the one before; --rest: seconds that the agents have before that, to
 * collect their garbage (more than a minute: they begin to do it at most once in one); --warm: connections made and closed before that, so that
 * what is compiled later does not count; --contenders: only these; without tlshub the agents are not started, and any kernel will do. Writes
 * peers.json, peers.html and the proxies' configurations.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { lab } from '../test/vm/harness/index.js';
import { describeMachine, machineText } from './report/machine.js';
import { median, tableOf } from './support.js';
import { putInForce } from './exchange.js';
import { LAB_DIR, PKI, contendersFor, type Contender } from './peers/contenders.js';
import { bulk, connections, idle, type BulkFigures } from './peers/measure.js';
import { aimsOf, peersPage, peersTable, type Aim, type ContenderFigures, type PeersResult } from './peers/report.js';

const {
  values,
  positionals: [out = 'bench/results'],
} = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    megabytes: { type: 'string', default: '32' },
    idle: { type: 'string', default: '1000' },
    rest: { type: 'string', default: '75' },
    warm: { type: 'string', default: '0' },
    contenders: { type: 'string', default: '' },
    host: { type: 'string' },
  },
});

const seconds = Number(values.seconds);
const counts = values.idle
  .split(',')
  .map(Number)
  .filter(Boolean)
  .sort((one, other) => one - other);
/** What comes beside the idle ones is not many. */
const most = Math.max(...counts, 0) + 500;
const chosen = values.contenders === '' ? [] : values.contenders.split(',');
mkdirSync(out, { recursive: true });
const all = contendersFor(out, most).filter(({ name }) => chosen.length === 0 || chosen.includes(name));
const captured = all.some((contender) => contender.captured);

const said = (command: string, ...args: string[]): string => {
  try {
    return execFileSync('/bin/sh', ['-c', `"$0" "$@" 2>&1`, command, ...args], { encoding: 'utf8' });
  } catch {
    return '';
  }
};
const versions = {
  stunnel: /stunnel (\S+)/.exec(said('stunnel4', '-version'))?.[1] ?? '',
  nginx: /nginx\/(\S+)/.exec(said('/usr/sbin/nginx', '-v'))?.[1] ?? '',
  HAProxy: /version (\S+)/.exec(said('/usr/sbin/haproxy', '-v'))?.[1] ?? '',
  OpenSSL: /OpenSSL (\S+)/.exec(said('openssl', 'version'))?.[1] ?? '',
};

const SETTINGS = { 'tls.ciphers': 'TLS_AES_128_GCM_SHA256', flows_kept: 0 };
await lab.up(captured ? { exchange: 'channel', set: SETTINGS } : { bare: true });
try {
  if (!captured) {
    execFileSync('scripts/lab', ['pki', PKI]);
  }
  for (const node of ['a', 'b'] as const) {
    writeFileSync(
      `${LAB_DIR}/out/haproxy-${node}.pem`,
      ['crt', 'key'].map((kind) => readFileSync(`${PKI}/${node}.${kind}`, 'utf8')).join(''),
    );
    await lab.exec(node, ['sysctl', '-qw', 'net.ipv4.tcp_tw_reuse=1'], { outside: true });
  }
  // Behind the proxies, whoever takes part.
  const plaintext = contendersFor(out, most).find(({ name }) => name === 'plaintext');
  if (plaintext !== undefined && !all.some(({ name }) => name === 'plaintext')) await plaintext.start();
  const figures = await measureAll(all, save);
  const { head, rows } = peersTable(figures);
  console.log(`${machineText(describeMachine(values.host))}\n${tableOf(head, rows)}\n`);
  for (const { text, value, met } of save(figures))
    console.log(`${met ? 'met' : 'NOT met'}: ${text}: ${value.toFixed(2)}`);
} catch (error) {
  for (const node of captured ? ['a', 'b'] : []) copyFileSync(`${LAB_DIR}/${node}/log`, join(out, `agent-${node}.log`));
  throw error;
} finally {
  await lab.down();
}

/** What there is so far: the long part comes last, and a run that is cut short has been of use. */
function save(contenders: ContenderFigures[]): Aim[] {
  const result: PeersResult = {
    generated: new Date().toISOString(),
    machine: describeMachine(values.host),
    versions,
    command:
      `scripts/vm --mem 6144 --timeout 7200 --out DIR -- node build/bench/peers.js DIR ${process.argv.slice(3).join(' ')}`.trim(),
    contenders,
    aims: aimsOf(contenders),
  };
  writeFileSync(join(out, 'peers.json'), `${JSON.stringify(result, null, 1)}\n`);
  writeFileSync(join(out, 'peers.html'), peersPage(result));
  return result.aims;
}

/** Before a contender's turn: the agents do what it is about. Others do not mind what that is. */
async function beforeTurn(contender: Contender): Promise<void> {
  const { exchange } = contender;
  if (exchange !== undefined) await putInForce(exchange, SETTINGS, () => connections(contender, [], 1, seconds, 1));
}

async function measureAll(
  contenders: readonly Contender[],
  onProgress: (figures: ContenderFigures[]) => void,
): Promise<ContenderFigures[]> {
  const pids = new Map<string, number[]>();
  for (const contender of contenders) {
    const own = contender.captured
      ? ['a', 'b'].map((node) => Number(readFileSync(`${LAB_DIR}/${node}/pid`, 'utf8')))
      : [];
    pids.set(contender.name, [...own, ...(await contender.start()).map(({ pid }) => pid)]);
    // The first connections load and compile what all later ones use.
    await beforeTurn(contender);
    await connections(contender, [], 8, seconds, 100);
  }
  const rounds = new Map(contenders.map(({ name }) => [name, [] as BulkFigures[]]));
  for (let round = 0; round < Number(values.rounds); round++) {
    // In turns, so that a slow moment of the host hits all alike.
    for (const contender of contenders) {
      await beforeTurn(contender);
      const figures = await bulk(contender, Number(values.megabytes) << 20, seconds);
      console.log(
        `${contender.name}: ${figures.megabytesPerSecond.toFixed(1)} MB/s, ${figures.cpuSecondsPerGb.toFixed(1)} CPU s/GB`,
      );
      rounds.get(contender.name)?.push(figures);
    }
  }
  const results: ContenderFigures[] = [];
  for (const contender of contenders) {
    const { name, title } = contender;
    const done = rounds.get(name) ?? [];
    const own = pids.get(name) ?? [];
    await beforeTurn(contender);
    const connect = await connections(contender, own, 8, seconds * 1.5);
    const firstByte = await connections(contender, own, 1, seconds * 1.5, 300);
    console.log(
      `${name}: ${connect.perSecond.toFixed(1)}/s at ${connect.tlsCpuMs.toFixed(1)} of ${connect.machineCpuMs.toFixed(1)} CPU ms, first byte ${firstByte.p50Ms.toFixed(2)} ms (p99 ${firstByte.p99Ms.toFixed(2)})`,
    );
    const middle = {
      megabytesPerSecond: median(done.map(({ megabytesPerSecond }) => megabytesPerSecond)),
      cpuSecondsPerGb: median(done.map(({ cpuSecondsPerGb }) => cpuSecondsPerGb)),
    };
    results.push({ name, title, bulk: middle, rounds: done, connect, firstByte, idle: [] });
  }
  onProgress(results);
  for (const [at, contender] of contenders.entries()) {
    const own = pids.get(contender.name) ?? [];
    await beforeTurn(contender);
    const figures = await idle(contender, own, counts, Number(values.rest) * 1000, Number(values.warm));
    for (const each of figures) console.log(`${contender.name}: ${JSON.stringify(each)}`);
    results[at]?.idle.push(...figures);
    onProgress(results);
  }
  return results;
}
