// SPDX-License-Identifier: Apache-2.0
/**
 * Logs: one line a message, for people on a terminal and as JSON anywhere else.
 *
 * Fields that every part uses: `component` (dispatcher, provider, installer, control ...), `cookie` (of the socket) and `flow`
 * (`src -> dst` as text). Make a child logger for them: `logger.child({ component: 'dispatcher' })`.
 */
import winston from 'winston';
import { TlshubError, toWire } from '../shared/errors/errors.js';
import { printable } from '../shared/text/printable.js';

export type LogLevel = 'debug' | 'info' | 'warning' | 'error';

/** Fields of a message. Bigints are written as decimal text, errors as {code, errno, syscall, message}. */
export interface LogFields {
  component?: string;
  cookie?: bigint | string;
  flow?: string;
  error?: unknown;
  [field: string]: unknown;
}

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warning(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Whether debug lines are written: for lines on the path of every connection, whose words alone cost something. */
  debugs(): boolean;
  /** A logger that adds these fields to each message. */
  child(fields: LogFields): Logger;
  /** Changes the least severe level of this logger and all its children, for example at reload. */
  setLevel(level: LogLevel): void;
  /** The same for `verbose`. */
  setVerbose(verbose: boolean): void;
}

export interface LoggerOptions {
  logLevel: LogLevel;
  verbose: boolean;
}

/** Where lines go; `isTTY` chooses the form. */
export type LogStream = NodeJS.WritableStream & { isTTY?: boolean };

/** Most severe first, as winston wants them. */
const LEVELS: Record<LogLevel, number> = { error: 0, warning: 1, info: 2, debug: 3 };

/** SGR colours (ECMA-48 section 8.3.117). */
const COLOURS: Record<string, string> = { error: '31', warning: '33', info: '32', debug: '90' };

const watched = new WeakSet<object>();

/**
 * @param stream default: standard error, which is unbuffered for terminals and files, and not part of a command's output
 */
export function createLogger(options: LoggerOptions, stream: LogStream = process.stderr): Logger {
  // A reader of the log that goes away (EPIPE) must not take the agent with it.
  if (!watched.has(stream)) {
    watched.add(stream);
    stream.on('error', () => undefined);
  }
  const human = stream.isTTY === true;
  const style = { verbose: options.verbose };
  const logger = winston.createLogger({
    levels: LEVELS,
    level: options.logLevel,
    exitOnError: false,
    format: human ? humanFormat(style) : jsonFormat(),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's types declare its transports twice
    transports: [new winston.transports.Stream({ stream })],
  });
  return wrap({ logger, style }, {});
}

interface Style {
  verbose: boolean;
}

function wrap(root: { logger: winston.Logger; style: Style }, bound: LogFields): Logger {
  const { logger, style } = root;
  const write = (level: LogLevel) => (message: string, fields?: LogFields) => {
    // Winston formats before it filters, and debug lines are on the path of every connection.
    if (!logger.isLevelEnabled(level)) return;
    // One object in, so that winston does not append a field named "message" or format % in texts that came from outside.
    logger.log({ ...bound, ...fields, level, message });
  };
  return {
    debug: write('debug'),
    info: write('info'),
    warning: write('warning'),
    error: write('error'),
    debugs: () => logger.isLevelEnabled('debug'),
    child: (fields) => wrap(root, { ...bound, ...fields }),
    setLevel: (level) => {
      logger.level = level;
    },
    setVerbose: (verbose) => {
      style.verbose = verbose;
    },
  };
}

function plain(value: unknown, stack: boolean): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (!(value instanceof Error)) return value;
  const remedy = value instanceof TlshubError && value.remedy !== undefined ? { remedy: value.remedy } : {};
  return { ...toWire(value), ...remedy, ...(stack && { stack: value.stack }) };
}

function jsonFormat(): winston.Logform.Format {
  const flatten = winston.format((info) => {
    for (const [field, value] of Object.entries(info)) {
      if (typeof value === 'bigint' || value instanceof Error) info[field] = plain(value, true);
    }
    return info;
  });
  return winston.format.combine(flatten(), winston.format.timestamp(), winston.format.json());
}

function humanFormat(style: Style): winston.Logform.Format {
  return winston.format.printf(({ level, message, component, flow, error, code, remedy, ...rest }) => {
    const time = new Date().toISOString().slice(11, 23);
    const colour = COLOURS[level] ?? '0';
    let line = `\u001b[90m${time}\u001b[0m \u001b[${colour}m${level.padEnd(7)}\u001b[0m `;
    if (typeof component === 'string') line += `${component}: `;
    line += printable(String(message));
    if (typeof flow === 'string') line += ` \u001b[90m[${printable(flow)}]\u001b[0m`;
    if (error !== undefined) line += `: ${printable(errorText(error))}`;
    if (typeof code === 'string' && code !== '') line += ` (${code})`;
    const todo = typeof remedy === 'string' ? remedy : error instanceof TlshubError ? error.remedy : undefined;
    if (todo !== undefined && todo !== '') line += `. ${printable(todo)}`;
    if (!style.verbose) return line;
    for (const [field, value] of Object.entries(rest)) line += ` ${field}=${fieldText(value)}`;
    if (error instanceof Error && error.stack !== undefined) line += `\n${error.stack}`;
    return line;
  });
}

function errorText(error: unknown): string {
  const { code, message } = toWire(error);
  return code === 'TLSHUB_INTERNAL' ? message : `${message} (${code})`;
}

function fieldText(value: unknown): string {
  const simple = plain(value, false);
  return printable(typeof simple === 'string' ? simple : JSON.stringify(simple));
}
