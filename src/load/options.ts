// SPDX-License-Identifier: Apache-2.0
/** The command line of tlshub_bench. */
import { isIP } from 'node:net';
import { Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../shared/errors/errors.js';
import { VERSION } from '../shared/files/package.js';

export interface BenchOptions {
  mode: 'client' | 'server';
  targetIp: string;
  targetPort: number;
  listenIp: string;
  listenPort: number;
  sourceIp: string[];
  dataSize: number;
  concurrency: number;
  /** undefined: not given, so no limit where --duration or server mode makes an end */
  totalConnections: number | undefined;
  requestsPerConnection: number;
  rate: number;
  duration: number;
  hold: number;
  timeout: number;
  details: number;
  json: string | undefined;
  csv: string | undefined;
  verbose: boolean;
}

export const DEFAULT_CONNECTIONS = 10;
const DEFAULT_TARGET_PORT = 8080;
const DEFAULT_LISTEN_PORT = 9090;
const DAY = 86_400;

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`a whole number from ${min} to ${max} is wanted.`);
  };
}

function decimal(max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,12}(\.\d{1,20})?$/.test(text) ? Number(text) : NaN;
    if (value >= 0 && value <= max) return value;
    throw new InvalidArgumentError(`a number from 0 to ${max} is wanted.`);
  };
}

function ip(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError('an IPv4 or IPv6 address is wanted, not a name.');
  return text;
}

const SIZES: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

function size(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,16})([KMG]?)$/i.exec(text) ?? [];
  const value = Number(digits) * (SIZES[unit.toUpperCase()] ?? NaN);
  if (value >= 1 && value <= Number.MAX_SAFE_INTEGER) return value;
  throw new InvalidArgumentError('a number of bytes is wanted, at least 1, as 1024, 64K, 100M or 1G.');
}

const AFTER = `
The client sends --data-size bytes, checks that exactly these come back, and closes with FIN; the server sends back what comes. Any
program may be put between them; content that differs, a reset or an early end make a connection failed.

connection_latency_ms is the time from connect() to the first byte received: with connections that are held and secured by the agent, that
is what a program waits. With --rate, connections begin by a schedule, and times count from the schedule (no coordinated omission).
Throughputs are of payload in both directions. A dash stands where there is no figure.

The two default ports differ: a client connects to port ${DEFAULT_TARGET_PORT}, a server listens on port ${DEFAULT_LISTEN_PORT}. To let one meet the other, name one of them:
-p ${DEFAULT_LISTEN_PORT} at the client, or -l ${DEFAULT_TARGET_PORT} at the server.

The side that closes first keeps a connection's port for a minute (TIME_WAIT): the client. To a target in 127.0.0.0/8 it connects from further
addresses of that network when ports run out; elsewhere give --source-ip, or it waits for ports (reported as port_waits).

SIGINT and SIGTERM end a run early, with its results written. Exit status: 0 all connections succeeded, 1 some failed, 64 usage.`;

/** @throws CommanderError for help and for what is wrong with the command line; UsageError */
export function parseOptions(
  argv: readonly string[],
  out: (text: string) => void,
  err: (text: string) => void,
): BenchOptions {
  const program = new Command('tlshub_bench')
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: err })
    .showHelpAfterError('(tlshub_bench --help lists the options)')
    .description('Opens connections under load and measures what a program on top of them sees.')
    .version(VERSION, '--version')
    .addOption(new Option('-m, --mode <mode>', 'which side').choices(['client', 'server']).makeOptionMandatory())
    .option('-t, --target-ip <ip>', 'client: whom to connect to', ip, '127.0.0.1')
    .option('-p, --target-port <port>', 'client: on which port', whole(1, 65535), DEFAULT_TARGET_PORT)
    .option(
      '-l, --listen-port <port>',
      'server: where to listen; 0 takes a free port and prints it',
      whole(0, 65535),
      DEFAULT_LISTEN_PORT,
    )
    .option('--listen-ip <ip>', 'server: on which address (:: is IPv6 and IPv4)', ip, '0.0.0.0')
    .option('-s, --data-size <bytes>', 'client: bytes of a request; K, M, G may follow', size, 1024)
    .option('-c, --concurrency <n>', 'client: connections open at once', whole(1, 1_000_000), 1)
    .option(
      '-n, --total-connections <n>',
      `connections in all (client: default ${DEFAULT_CONNECTIONS}, or no limit with --duration; server: no limit)`,
      whole(1, Number.MAX_SAFE_INTEGER),
    )
    .option('-j, --json <file>', 'write results as JSON (default: bench_metrics_<unix time>.json)')
    .option('-o, --csv <file>', 'write results as CSV (default: bench_metrics_<unix time>)')
    .option('-v, --verbose', 'a line on standard error for each connection that ended')
    .option('--requests-per-connection <n>', 'client: one after the other', whole(1, 0xffffffff), 1)
    .option('--duration <seconds>', 'begin connections for so long', decimal(366 * DAY), 0)
    .option('--rate <n>', 'client: begin n connections a second, whatever becomes of them', decimal(1e9), 0)
    .option(
      '--hold <seconds>',
      'client: keep each connection open for so long after its last request',
      decimal(366 * DAY),
      0,
    )
    .option(
      '--timeout <seconds>',
      'client: a connection on which nothing moves for so long has failed',
      decimal(DAY),
      30,
    )
    .option('--source-ip <ip...>', 'client: local addresses to connect from')
    .option('--details <n>', 'keep the details of the last n connections', whole(0, 10_000_000), 10_000);
  program.addHelpText('after', AFTER);
  program.parse([...argv], { from: 'user' });
  const given = program.opts<Partial<BenchOptions>>();
  if (program.args.length > 0) throw new UsageError(`${program.args[0] ?? ''}: there are no arguments, only options`);
  const sourceIp = given.sourceIp ?? [];
  const options = {
    ...given,
    sourceIp,
    totalConnections: given.totalConnections,
    json: given.json,
    csv: given.csv,
    verbose: given.verbose === true,
  } as BenchOptions;
  const family = isIP(options.targetIp);
  for (const source of sourceIp)
    if (isIP(source) !== family)
      throw new UsageError(`--source-ip ${source}: no address of the same family as --target-ip`);
  if (options.timeout === 0) throw new UsageError('--timeout: more than 0 is wanted');
  return options;
}
