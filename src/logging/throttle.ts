// SPDX-License-Identifier: Apache-2.0
/**
 * Repeated messages: the first of a kind (or the first few) are logged at once, then no more until the interval is over; how many were left
 * out is said at its end. Nothing is suppressed silently.
 */
import type { LogFields, Logger, LogLevel } from './logger.js';

export interface ThrottleOptions {
  /** one message of a kind in this time; default 10 s */
  intervalMs?: number;
  /** so many of a kind in that time, then silence; default 1 */
  burst?: number;
  /** kinds remembered at once; default 1000. Beyond it the oldest is forgotten, and its count logged. */
  maxKinds?: number;
}

interface Kind {
  level: LogLevel;
  message: string;
  fields: LogFields | undefined;
  logged: number;
  suppressed: number;
  timer: NodeJS.Timeout;
}

export interface Throttle {
  /** Logs unless enough of the same `kind` were logged within the interval. True if it was logged. */
  log(level: LogLevel, kind: string, message: string, fields?: LogFields): boolean;
  /** Says what is still unsaid and forgets all; for the end of the program. */
  flush(): void;
}

export function createThrottle(logger: Logger, options: ThrottleOptions = {}): Throttle {
  const { intervalMs = 10_000, burst = 1, maxKinds = 1000 } = options;
  const kinds = new Map<string, Kind>();

  const settle = (name: string, kind: Kind): void => {
    clearTimeout(kind.timer);
    kinds.delete(name);
    if (kind.suppressed === 0) return;
    const note = `(the last of ${kind.suppressed} such messages that were held back)`;
    logger[kind.level](`${kind.message} ${note}`, { ...kind.fields, suppressed: kind.suppressed });
  };

  return {
    log(level, name, message, fields) {
      const known = kinds.get(name);
      if (known !== undefined) {
        if (known.logged < burst) {
          known.logged++;
          logger[level](message, fields);
          return true;
        }
        known.suppressed++;
        known.message = message;
        known.fields = fields;
        return false;
      }
      logger[level](message, fields);
      const timer = setTimeout(() => {
        const kind = kinds.get(name);
        if (kind !== undefined) settle(name, kind);
      }, intervalMs);
      timer.unref();
      kinds.set(name, { level, message, fields, logged: 1, suppressed: 0, timer });
      const oldest = kinds.entries().next().value;
      if (kinds.size > maxKinds && oldest !== undefined) settle(...oldest);
      return true;
    },
    flush() {
      for (const [name, kind] of [...kinds]) settle(name, kind);
    },
  };
}
