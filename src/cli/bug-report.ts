// SPDX-License-Identifier: Apache-2.0
/**
 * `tlshubctl bug-report`: what whoever mends the agent wants to see, in one archive. By allow-list: what is not written down here is not in it, and no file is
 * copied. No key can be: files of keys and key logs are not opened, maps of BPF are named and not read, of the configuration only the values of known keys are
 * written, which are no secrets, and lines that look like keys all the same are taken out of everything.
 */
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { release, version } from 'node:os';
import { resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { KEY_NAMES, keySpec } from '../config/keys.js';
import { loadConfig } from '../config/load.js';
import { toFlat } from '../config/schema.js';
import { controlRequest } from '../control/client.js';
import { TlshubError, asTlshubError, placeOf } from '../shared/errors/errors.js';
import { VERSION } from '../shared/files/package.js';
import { show, type CliContext, type GlobalOptions } from './context.js';
import { table } from './tables.js';

/** One file of the archive: what it is, and how it comes to be. */
interface Part {
  name: string;
  holds: string;
  make: () => unknown;
}

export interface BugReport {
  file: string;
  /** `missing`: why what was wanted is not in it; null: it is */
  parts: { name: string; holds: string; bytes: number; missing: string | null }[];
}

const run = promisify(execFile);
/** For a program that is asked. */
const ASK = { timeout: 10_000, maxBuffer: 16 << 20, encoding: 'utf8' } as const;
/** Lines of the log, the newest. */
const LOG_LINES = 5000;
const DEFAULT_CONFIG = '/etc/tlshub/capture.conf';

/** @throws TlshubError TLSHUB_BUG_REPORT; then there is no such file, or the one of before */
export async function bugReport(context: CliContext, options: GlobalOptions, wanted?: string): Promise<void> {
  const now = new Date();
  const stamp = now.toISOString().replace(/[-:]|\.\d+/g, '');
  const file = resolve(wanted ?? `tlshub-bug-report-${stamp}.tar.gz`);
  const archive = pack();
  const report: BugReport = { file, parts: [] };
  const add = (name: string, text: string): void => void archive.entry({ name, mode: 0o600, mtime: now }, text);
  for (const { name, holds, make } of partsOf(context, options)) {
    const { text, missing } = await made(make);
    if (missing === null) add(name, text);
    report.parts.push({ name, holds, bytes: Buffer.byteLength(text), missing });
  }
  add('CONTENTS.txt', `${contents(report)}\n`);
  archive.finalize();
  save(file, await promisify(gzip)(await buffer(archive)));
  show(
    context,
    options,
    report,
    () => `${contents(report)}\n\nwritten to ${file}: look through it before you pass it on`,
  );
}

function partsOf(context: CliContext, { socket }: GlobalOptions): Part[] {
  const configOf = async (): Promise<string> => {
    const status = await controlRequest(socket, 'status', {}).catch(() => undefined);
    return configText(status?.configFile ?? DEFAULT_CONFIG, context);
  };
  return [
    { name: 'versions.json', holds: 'versions of the agent, Node.js and the kernel', make: versions },
    { name: 'check.json', holds: 'what this kernel can do', make: () => context.probe() },
    { name: 'status.json', holds: 'the status of the agent', make: () => controlRequest(socket, 'status', {}) },
    {
      name: 'flows.json',
      holds: 'connections: addresses, ports, programs, nodes',
      make: () => controlRequest(socket, 'flows', {}),
    },
    { name: 'channels.json', holds: 'channels to other nodes', make: () => controlRequest(socket, 'channels', {}) },
    {
      name: 'metrics.txt',
      holds: 'counters, gauges and histograms',
      make: async () => (await controlRequest(socket, 'metrics', {})).text,
    },
    { name: 'config.txt', holds: 'values of all keys; paths of key files, not what is in them', make: configOf },
    { name: 'kernel.txt', holds: 'security modules, and the modules for TLS', make: kernelText },
    {
      name: 'bpf.txt',
      holds: 'names of pins; programs and maps without what is in these',
      make: () => bpfText(context),
    },
    {
      name: 'log.txt',
      holds: `the last ${LOG_LINES} lines of the agent's journal`,
      make: async () =>
        (await run('journalctl', ['-u', 'tlshub', '-n', String(LOG_LINES), '--no-pager', '-q'], ASK)).stdout,
    },
  ];
}

async function made(make: Part['make']): Promise<{ text: string; missing: string | null }> {
  try {
    const found = await make();
    const text = typeof found === 'string' ? found : JSON.stringify(found, null, 2);
    return { text: withoutKeys(text.endsWith('\n') ? text : `${text}\n`), missing: null };
  } catch (error) {
    // The message of a wrong value quotes it: whatever somebody has put there.
    const { code } = asTlshubError(error);
    const { file, line, key } = placeOf(error);
    const place = file === undefined ? '' : ` (${[file, line, key].filter((one) => one !== undefined).join(':')})`;
    return { text: '', missing: `${code}${place}` };
  }
}

/** PEM of private keys, lines of a key log (NSS), and what is as long as a key in hexadecimal or more, but for certificates' serials. */
export function withoutKeys(text: string): string {
  return text
    .replace(
      /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g,
      '(a private key)',
    )
    .replace(/\b(?:CLIENT|SERVER|EXPORTER|EARLY)_[A-Z0-9_]+ [0-9a-f]{64} [0-9a-f]+/gi, '(a line of a key log)')
    .replace(/\b[0-9a-f]{64,}\b/gi, '(64 or more hexadecimal digits)');
}

function versions(): unknown {
  const { node, openssl, v8 } = process.versions;
  return { tlshub: VERSION, node, openssl, v8, kernel: release(), kernelBuild: version(), arch: process.arch };
}

/** Not the file: in its comments, and under keys that there are not, may be anything. */
function configText(file: string, { env }: CliContext): string {
  const flat = toFlat(loadConfig(file, env));
  return [`# ${file}`, ...KEY_NAMES.map((key) => `${key} = ${keySpec(key).format.encode(flat[key])}`)].join('\n');
}

function kernelText(): string {
  const lsm = readOr('/sys/kernel/security/lsm');
  const modules = readOr('/proc/modules')
    .split('\n')
    .filter((line) => /^(?:tls|tlshub|tcp_diag|fuse)\b/.test(line));
  return [`lsm ${lsm}`, ...modules].join('\n');
}

async function bpfText({ env }: CliContext): Promise<string> {
  const folder = env.TLSHUB_BPF_PIN_DIR ?? String(keySpec('bpf_pin_dir').default);
  const pins = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const ask = (what: string): Promise<string> =>
    run('bpftool', [what, 'show'], ASK).then(
      ({ stdout }) => stdout,
      () => 'bpftool is not there, or may not look\n',
    );
  return `pins in ${folder}:\n${pins.map((pin) => `  ${pin}\n`).join('')}\nprograms:\n${await ask('prog')}\nmaps:\n${await ask('map')}`;
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return 'not to be read';
  }
}

function contents({ parts }: BugReport): string {
  return table([
    ['file', 'what it holds', 'bytes'],
    ...parts.map(({ name, holds, bytes, missing }) => [
      name,
      holds,
      missing === null ? String(bytes) : `not there: ${missing}`,
    ]),
  ]);
}

/** Never in the place of another file; for its owner alone, whatever the umask. */
function save(file: string, bytes: Buffer): void {
  let ours = false;
  try {
    writeFileSync(file, '', { flag: 'wx', mode: 0o600 });
    ours = true;
    writeFileSync(file, bytes);
  } catch (cause) {
    if (ours) unlinkSync(file);
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'there is such a file already' : message;
    throw new TlshubError('TLSHUB_BUG_REPORT', `cannot write ${file}: ${why}`, { cause });
  }
}
