// SPDX-License-Identifier: Apache-2.0
/** A logger that remembers. */
import type { LogFields, LogLevel, Logger } from '../../src/logging/logger.js';

export interface LogLine {
  level: LogLevel;
  message: string;
  fields: LogFields;
}

export function memoryLogger(): { log: Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const make = (bound: LogFields): Logger => {
    const write =
      (level: LogLevel) =>
      (message: string, fields: LogFields = {}): void => {
        lines.push({ level, message, fields: { ...bound, ...fields } });
      };
    return {
      debug: write('debug'),
      info: write('info'),
      warning: write('warning'),
      error: write('error'),
      child: (fields) => make({ ...bound, ...fields }),
      setLevel: () => undefined,
      debugs: () => true,
      setVerbose: () => undefined,
    };
  };
  return { log: make({}), lines };
}
