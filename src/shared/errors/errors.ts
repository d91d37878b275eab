// SPDX-License-Identifier: Apache-2.0
/**
 * Coded errors: one class per kind of failure, each with a stable `code`, the exit status that a command ends with, and what to do next.
 *
 * Between threads and over the control socket an error travels as `WireError`: structured clone keeps only name, message and stack of an
 * Error and drops `code` (HTML standard, StructuredSerializeInternal), so `toWire` and `fromWire` carry the rest.
 */
import { getSystemErrorName } from 'node:util';
import { EXIT, catalogEntry, type ErrorCode } from './catalog.js';

export { EXIT, type ErrorCode } from './catalog.js';

export interface TlshubErrorOptions {
  cause?: unknown;
  /** overrides the catalog's remedy with one that knows the case */
  remedy?: string;
  exitCode?: number;
  /** errno name such as `EACCES`, and the call that returned it */
  errno?: string;
  syscall?: string;
}

/** An error as plain data. `errno` is the name (`EACCES`). */
export interface WireError {
  code: string;
  errno?: string;
  syscall?: string;
  message: string;
}

export class TlshubError extends Error {
  /** stable; one of the catalog's, or of a library or system call for errors that came from there */
  readonly code: string;
  readonly exitCode: number;
  readonly remedy?: string;
  readonly errno?: string;
  readonly syscall?: string;

  constructor(code: ErrorCode | (string & {}), message: string, options: TlshubErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    const entry = catalogEntry(code);
    this.code = code;
    this.exitCode = options.exitCode ?? entry?.exitCode ?? EXIT.failed;
    const remedy = options.remedy ?? entry?.remedy;
    if (remedy !== undefined) this.remedy = remedy;
    if (options.errno !== undefined) this.errno = options.errno;
    if (options.syscall !== undefined) this.syscall = options.syscall;
  }
}

/** Where in a file (or in the environment) something is wrong. */
export interface Place {
  /** path, or `environment` */
  file: string;
  /** 1-based; undefined: the file as a whole, or an environment variable */
  line?: number;
  key?: string;
}

/** `file:line: key: ` as far as known: the form that editors jump to. */
export function placeText(place: Place): string {
  const position = place.line === undefined ? place.file : `${place.file}:${place.line}`;
  return place.key === undefined ? `${position}: ` : `${position}: ${place.key}: `;
}

/** The place that an error names, if it names one. */
export function placeOf(thrown: unknown): Partial<Place> {
  if (!(thrown instanceof PlacedError)) return {};
  const { file, line, key } = thrown;
  return { file, ...(line === undefined ? {} : { line }), ...(key === undefined ? {} : { key }) };
}

class PlacedError extends TlshubError {
  readonly file: string;
  readonly line?: number;
  readonly key?: string;

  constructor(code: ErrorCode, place: Place, detail: string, options?: TlshubErrorOptions) {
    super(code, placeText(place) + detail, options);
    this.file = place.file;
    if (place.line !== undefined) this.line = place.line;
    if (place.key !== undefined) this.key = place.key;
  }
}

export type ConfigErrorCode = Extract<ErrorCode, `TLSHUB_CONFIG_${string}`>;
export type MappingErrorCode = Extract<ErrorCode, `TLSHUB_MAPPING_${string}`>;
export type EndpointsErrorCode = Extract<ErrorCode, `TLSHUB_ENDPOINTS_${string}`>;
export type ControlErrorCode = Extract<ErrorCode, `TLSHUB_CONTROL_${string}`>;

/** capture.conf or the environment is wrong; exit status 78. The message names file, line, key and what is allowed. */
export class ConfigError extends PlacedError {
  constructor(code: ConfigErrorCode, place: Place, detail: string, options?: TlshubErrorOptions) {
    super(code, place, detail, options);
  }
}

/** pod_node_mapping.conf is wrong; exit status 78. */
export class MappingError extends PlacedError {
  constructor(code: MappingErrorCode, place: Place, detail: string, options?: TlshubErrorOptions) {
    super(code, place, detail, options);
  }
}

/** node_endpoints names a file that is wrong; exit status 78. */
export class EndpointsError extends PlacedError {
  constructor(code: EndpointsErrorCode, place: Place, detail: string, options?: TlshubErrorOptions) {
    super(code, place, detail, options);
  }
}

/** The Kubernetes API cannot be reached, refuses, or says what makes no sense. */
export class KubernetesError extends TlshubError {
  constructor(message: string, options?: TlshubErrorOptions) {
    super('TLSHUB_KUBERNETES', message, options);
  }
}

/** A text is no address or CIDR. */
export class AddressError extends TlshubError {
  constructor(message: string) {
    super('TLSHUB_ADDRESS', message);
  }
}

/** CA, certificate or key of this node is unusable; exit status 78. The message names the file and the key of the configuration. */
export class CredentialsError extends PlacedError {
  constructor(place: Place, detail: string, options?: TlshubErrorOptions) {
    super('TLSHUB_CREDENTIALS', place, detail, options);
  }
}

export class PkiError extends TlshubError {
  constructor(code: Extract<ErrorCode, `TLSHUB_PKI_${string}`>, message: string, options?: TlshubErrorOptions) {
    super(code, message, options);
  }
}

/** The metrics files could not be written. */
export class MetricsWriteError extends TlshubError {
  constructor(message: string, options?: TlshubErrorOptions) {
    super('TLSHUB_METRICS_WRITE', message, options);
  }
}

/** Another agent lives that works on the same pins. */
export class AlreadyRunningError extends TlshubError {
  constructor(message: string, options?: TlshubErrorOptions) {
    super('TLSHUB_ALREADY_RUNNING', message, options);
  }
}

/** The gate of a dead agent cannot be taken away. */
export class ReleaseError extends TlshubError {
  constructor(code: Extract<ErrorCode, `TLSHUB_RELEASE_${string}`>, message: string, options?: TlshubErrorOptions) {
    super(code, message, options);
  }
}

/** Exit status 77. */
export class PermissionError extends TlshubError {
  constructor(message: string, options?: TlshubErrorOptions) {
    super('TLSHUB_NOT_PERMITTED', message, options);
  }
}

/** Exit status 69; `missing` are the names of the probes that failed. */
export class KernelUnsupportedError extends TlshubError {
  readonly missing: readonly string[];

  constructor(missing: readonly string[], options?: TlshubErrorOptions) {
    super('TLSHUB_KERNEL_UNSUPPORTED', `this kernel cannot do it: missing ${missing.join(', ')}`, options);
    this.missing = missing;
  }
}

/** The provider that `mode` names does not exist in this build; exit status 78. */
export class ProviderUnavailableError extends TlshubError {
  constructor(mode: string, available: readonly string[], options?: TlshubErrorOptions) {
    super(
      'TLSHUB_PROVIDER_UNAVAILABLE',
      `mode = ${mode}: no such provider here; available: ${available.join(', ')}`,
      options,
    );
  }
}

/** A provider's threads or its library do not come up; exit status 1. */
export class ProviderStartError extends TlshubError {
  constructor(name: string, detail: string, options?: TlshubErrorOptions) {
    super('TLSHUB_PROVIDER_START', `the ${name} provider does not start: ${detail}`, options);
  }
}

export class ControlError extends TlshubError {
  constructor(code: ControlErrorCode, message: string, options?: TlshubErrorOptions) {
    super(code, message, options);
  }
}

/** A change of the settings was asked for at a time when there can be none. */
export class ReloadError extends TlshubError {
  constructor(message: string, options?: TlshubErrorOptions) {
    super('TLSHUB_RELOAD_REFUSED', message, options);
  }
}

export class NotFoundError extends TlshubError {
  constructor(message: string, options?: TlshubErrorOptions) {
    super('TLSHUB_NOT_FOUND', message, options);
  }
}

/** Exit status 64. */
export class UsageError extends TlshubError {
  constructor(message: string, options?: TlshubErrorOptions) {
    super('TLSHUB_USAGE', message, options);
  }
}

function textField(source: object, name: string): string | undefined {
  const value: unknown = (source as Record<string, unknown>)[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Node.js has the errno's name in `code` and its number, negative, in `errno`; the addons have the number in `errno`, and TlshubError the name. */
function errnoName(error: object): string | undefined {
  const named = textField(error, 'errno');
  if (named !== undefined) return named;
  const { errno: number } = error as { errno?: unknown };
  if (typeof number === 'number' && number > 0) return getSystemErrorName(-number);
  const code = textField(error, 'code');
  return code !== undefined && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** Anything that was thrown, as plain data. Never throws. */
export function toWire(thrown: unknown): WireError {
  if (!(thrown instanceof Error)) return { code: 'TLSHUB_INTERNAL', message: String(thrown) };
  const wire: WireError = { code: textField(thrown, 'code') ?? 'TLSHUB_INTERNAL', message: thrown.message };
  const errno = errnoName(thrown);
  if (errno !== undefined) wire.errno = errno;
  const syscall = textField(thrown, 'syscall');
  if (syscall !== undefined) wire.syscall = syscall;
  return wire;
}

/** The error again, with exit status and remedy from the catalog. Input from another process is not trusted to have the shape. */
export function fromWire(wire: unknown): TlshubError {
  if (typeof wire !== 'object' || wire === null)
    return new TlshubError('TLSHUB_INTERNAL', 'an error without a description');
  const options: TlshubErrorOptions = {};
  const errno = textField(wire, 'errno');
  if (errno !== undefined) options.errno = errno;
  const syscall = textField(wire, 'syscall');
  if (syscall !== undefined) options.syscall = syscall;
  const message = textField(wire, 'message') ?? 'an error without a description';
  return new TlshubError(textField(wire, 'code') ?? 'TLSHUB_INTERNAL', message, options);
}

/** Whatever was thrown as a TlshubError: errno EACCES and EPERM become "not permitted", the rest keeps its code. */
export function asTlshubError(thrown: unknown): TlshubError {
  if (thrown instanceof TlshubError) return thrown;
  const wire = toWire(thrown);
  if (wire.errno === 'EACCES' || wire.errno === 'EPERM') {
    const options: TlshubErrorOptions = { cause: thrown, errno: wire.errno };
    if (wire.syscall !== undefined) options.syscall = wire.syscall;
    return new PermissionError(wire.message, options);
  }
  const options: TlshubErrorOptions = { cause: thrown };
  if (wire.errno !== undefined) options.errno = wire.errno;
  if (wire.syscall !== undefined) options.syscall = wire.syscall;
  return new TlshubError(wire.code, wire.message, options);
}

/** There is nothing to look up about them. */
const SAY_NOTHING_MORE: ReadonlySet<string> = new Set<ErrorCode>(['TLSHUB_USAGE', 'TLSHUB_INTERNAL']);

/** Message, code and remedy for a terminal, without a trailing newline. */
export function describeError(thrown: unknown): string {
  const { message, code, remedy } = asTlshubError(thrown);
  const explained = catalogEntry(code) !== undefined && !SAY_NOTHING_MORE.has(code);
  const what = explained ? `${message} (${code})` : message;
  return remedy === undefined ? what : `${what}\n  ${remedy}`;
}
