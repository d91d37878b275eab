#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/**
 * The agent in the foreground: `node dist/supervisor.js [CONFIG]`.
 *
 * SIGHUP reads configuration, mapping and certificates anew. SIGTERM drains and leaves the gate to the next agent, or takes it away, as `shutdown`
 * says; SIGINT takes it away; a second one ends at once and leaves the gate shut. Whatever goes wrong unexpectedly does the same: a gate that stays shut costs connections, an open one would cost secrets.
 */
import { UsageError, asTlshubError, describeError } from './shared/errors/errors.js';
import { VERSION } from './shared/files/package.js';
import { begin } from './supervisor/beginning.js';
import { Signals } from './supervisor/signals.js';

const DEFAULT_CONFIG = '/etc/tlshub/capture.conf';
const USAGE = `usage: tlshubd [CONFIG]    (in a checkout: node dist/supervisor.js [CONFIG])

Runs the TLShub agent in the foreground; CONFIG is ${DEFAULT_CONFIG} if not given.
  -h, --help     show this
  -V, --version  show the version
SIGHUP reads the configuration, the mapping and the certificates anew; if something is wrong with them, all stays as it is.
SIGTERM finishes the handshakes under way, leaves the gate shut for the next agent (shutdown = hand-over) or takes it away
(shutdown = release), writes metrics files and exits; SIGINT takes it away; a second one exits at once with the gate shut.
SIGUSR2 writes metrics files.
`;

/** The configuration's path, or undefined when the question was answered already. */
function parseArguments(args: readonly string[]): string | undefined {
  if (args.includes('-h') || args.includes('--help')) {
    process.stdout.write(USAGE);
    return undefined;
  }
  if (args.includes('-V') || args.includes('--version')) {
    process.stdout.write(`${VERSION}\n`);
    return undefined;
  }
  const option = args.find((arg) => arg.startsWith('-'));
  if (option !== undefined) throw new UsageError(`there is no option ${option}`);
  if (args.length > 1) throw new UsageError('more than one configuration file');
  return args[0] ?? DEFAULT_CONFIG;
}

try {
  const configFile = parseArguments(process.argv.slice(2));
  if (configFile !== undefined) {
    const signals = new Signals();
    const beginning = begin(configFile);
    const { run } = await import('./supervisor/run.js');
    await run(beginning, signals);
  }
} catch (error) {
  process.stderr.write(`tlshub: ${describeError(error)}\n`);
  process.exit(asTlshubError(error).exitCode);
}
