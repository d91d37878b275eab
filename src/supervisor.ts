#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/**
 * The agent in the foreground: `node dist/supervisor.js [CONFIG]`.
 *
 * SIGHUP reads configuration, mapping and certificates anew. SIGTERM and SIGINT drain and detach; a second one ends at once and leaves the gate shut. Whatever goes wrong unexpectedly does the same:
 * a gate that stays shut costs connections, an open one would cost secrets.
 */
import { writeFileSync } from 'node:fs';
import { loadConfig } from './config/load.js';
import { createLogger, type Logger } from './logging/logger.js';
import { EXIT, UsageError, asTlshubError, describeError } from './shared/errors/errors.js';
import { originalStack } from './shared/files/original-stack.js';
import { VERSION } from './shared/files/package.js';
import { compose } from './supervisor/compose.js';
import { Startup } from './supervisor/startup.js';

const DEFAULT_CONFIG = '/etc/tlshub/capture.conf';
const USAGE = `usage: node dist/supervisor.js [CONFIG]

Runs the TLShub agent in the foreground; CONFIG is ${DEFAULT_CONFIG} if not given.
  -h, --help     show this
  -V, --version  show the version
SIGHUP reads the configuration, the mapping and the certificates anew; if something is wrong with them, all stays as it is.
SIGTERM and SIGINT finish what is held, detach, write metrics files and exit; a second one exits at once with the
gate shut. SIGUSR2 writes metrics files.
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

/** Ends the process as it is: pins stay, the gate stays shut, the guardian does its work. */
function dieWithGateShut(log: Logger, what: string, error: unknown): never {
  if (error instanceof Error && error.stack !== undefined) error.stack = originalStack(error.stack);
  log.error(`${what}; the gate stays shut`, { error });
  process.exit(EXIT.failed);
}

async function run(configFile: string): Promise<void> {
  const startup = new Startup();
  const config = startup.time('configuration', () => loadConfig(configFile));
  const log = createLogger({ logLevel: config.logLevel, verbose: config.verbose });
  process.on('uncaughtException', (error) => dieWithGateShut(log, 'unexpected failure', error));
  process.on('unhandledRejection', (error) => dieWithGateShut(log, 'unexpected failure', error));
  // One that comes while the agent comes up is heeded when it is up: it may have read the files before they were changed.
  let reloads = 0;
  let reload = (): void => {
    reloads++;
  };
  process.on('SIGHUP', () => reload());

  let asked = false;
  let stop: (signal: string) => void = (signal) =>
    dieWithGateShut(log, `${signal} before the agent was ready`, undefined);
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      if (asked) dieWithGateShut(log, `a second ${signal}`, undefined);
      asked = true;
      stop(signal);
    });
  }

  let writeMetrics = (): void => undefined;
  process.on('SIGUSR2', () => writeMetrics());

  const supervisor = await compose({
    config,
    configFile,
    log,
    startup,
    onFatal: (error) => dieWithGateShut(log, 'a part that cannot be replaced has failed', error),
  });
  writeMetrics = () => supervisor.writeMetrics();
  stop = (signal) => {
    log.info(`${signal}: draining`);
    supervisor.shutdown().then(
      (metricsWritten) => process.exit(metricsWritten ? EXIT.ok : EXIT.failed),
      (error: unknown) => dieWithGateShut(log, 'the agent could not detach', error),
    );
  };
  reload = () => {
    log.info('SIGHUP: reloading');
    // What is wrong has been logged.
    supervisor.reload().catch(() => undefined);
  };
  if (reloads > 0) reload();
  const readyFile = process.env.TLSHUB_READY_FILE;
  if (readyFile !== undefined && readyFile !== '') writeFileSync(readyFile, `${process.pid}\n`);
}

try {
  const configFile = parseArguments(process.argv.slice(2));
  if (configFile !== undefined) await run(configFile);
} catch (error) {
  process.stderr.write(`tlshub: ${describeError(error)}\n`);
  process.exit(asTlshubError(error).exitCode);
}
