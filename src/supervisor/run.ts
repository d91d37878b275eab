// SPDX-License-Identifier: Apache-2.0
/** The agent's life from its first steps to its end, and what signals do to it. */
import { writeFileSync } from 'node:fs';
import { createLogger, type Logger } from '../logging/logger.js';
import { EXIT } from '../shared/errors/errors.js';
import { originalStack } from '../shared/files/original-stack.js';
import type { Beginning } from './beginning.js';
import { compose } from './compose.js';
import type { Signals } from './signals.js';

/** Ends the process as it is: pins stay, the gate stays shut, the guardian does its work. */
function dieWithGateShut(log: Logger, what: string, error: unknown): never {
  if (error instanceof Error && error.stack !== undefined) error.stack = originalStack(error.stack);
  log.error(`${what}; the gate stays shut`, { error });
  process.exit(EXIT.failed);
}

/**
 * Resolves when the agent is ready; it ends by a signal, with the process.
 * @throws (rejects) TlshubError and its kin: why it does not come up
 */
export async function run(beginning: Beginning, signals: Signals): Promise<void> {
  const { logLevel, verbose } = beginning.config;
  const log = createLogger({ logLevel, verbose });
  process.on('uncaughtException', (error) => dieWithGateShut(log, 'unexpected failure', error));
  process.on('unhandledRejection', (error) => dieWithGateShut(log, 'unexpected failure', error));
  // A reload asked for while the agent comes up is done when it is up: it may have read the files before they were changed.
  const asked = { reload: false, stop: false };
  signals.to((signal) => {
    if (signal === 'SIGHUP') asked.reload = true;
    else if (signal !== 'SIGUSR2') dieWithGateShut(log, `${signal} before the agent was ready`, undefined);
  });

  const supervisor = await compose({
    beginning,
    log,
    onFatal: (error) => dieWithGateShut(log, 'a part that cannot be replaced has failed', error),
  });

  const reload = (): void => {
    log.info('SIGHUP: reloading');
    // What is wrong has been logged.
    supervisor.reload().catch(() => undefined);
  };
  const stop = (signal: string): void => {
    if (asked.stop) dieWithGateShut(log, `a second ${signal}`, undefined);
    asked.stop = true;
    log.info(`${signal}: draining`);
    supervisor.shutdown(signal === 'SIGINT').then(
      (metricsWritten) => process.exit(metricsWritten ? EXIT.ok : EXIT.failed),
      (error: unknown) => dieWithGateShut(log, 'the agent could not detach', error),
    );
  };
  signals.to((signal) => {
    if (signal === 'SIGHUP') reload();
    else if (signal === 'SIGUSR2') supervisor.writeMetrics();
    else stop(signal);
  });
  if (asked.reload) reload();
  const readyFile = process.env.TLSHUB_READY_FILE;
  if (readyFile !== undefined && readyFile !== '') writeFileSync(readyFile, `${process.pid}\n`);
}
