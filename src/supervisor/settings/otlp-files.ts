// SPDX-License-Identifier: Apache-2.0
/** What the export by OTLP reads from files: headers, which may be secret, and CAs. */
import type { Config } from '../../config/schema.js';
import { ConfigError, toWire, type Place } from '../../shared/errors/errors.js';
import { readRegularFile, textLines } from '../../shared/files/text-file.js';
import { pemCertificates } from '../../shared/text/pem.js';

export interface OtlpFiles {
  /** names in lower case */
  readonly headers: Readonly<Record<string, string>>;
  /** PEM; undefined: those of Node.js */
  readonly ca: string | undefined;
}

const MAX_BYTES = 1 << 20;
const NO_FILES: OtlpFiles = { headers: {}, ca: undefined };
/** RFC 9110, 5.6.2 and 5.5; text that is not ASCII is nobody's token. */
const HEADER = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)$/;
/** Those that the exporter, or HTTP itself, sets. */
const RESERVED = /^(?:host|connection|content-.*|transfer-encoding|te|trailer|upgrade|user-agent)$/;

/** @throws ConfigError (exit status 78) that names file, line and key. What stands in a line is not told: it may be a secret */
export function readOtlpFiles({ otlp }: Pick<Config, 'otlp'>): OtlpFiles {
  if (otlp.endpoint === '') return NO_FILES;
  return {
    headers: otlp.headersFile === '' ? {} : parseHeaders(read('otlp.headers_file', otlp.headersFile), otlp.headersFile),
    ca: otlp.ca === '' ? undefined : readCas(otlp.ca),
  };
}

function read(key: string, file: string): Buffer {
  try {
    return readRegularFile(file, MAX_BYTES);
  } catch (cause) {
    throw bad({ file, key }, `cannot read it: ${toWire(cause).message}`, cause);
  }
}

function parseHeaders(contents: Uint8Array, file: string): Record<string, string> {
  const key = 'otlp.headers_file';
  const headers = new Map<string, string>();
  for (const { line, text } of textLines(contents, (at, problem) => bad({ file, line: at, key }, problem))) {
    const fail = (detail: string): ConfigError => bad({ file, line, key }, detail);
    const [, name, value] = HEADER.exec(text) ?? [];
    if (name === undefined || value === undefined) throw fail('the line is not `name: value` in ASCII');
    const lower = name.toLowerCase();
    if (RESERVED.test(lower)) throw fail(`the header ${lower} is not one to set`);
    if (headers.has(lower)) throw fail(`the header ${lower} is set twice`);
    headers.set(lower, value);
  }
  return Object.fromEntries(headers);
}

function readCas(file: string): string {
  const key = 'otlp.ca';
  const pem = read(key, file).toString('utf8');
  if (pemCertificates(pem).length === 0) throw bad({ file, key }, 'there is no PEM certificate in it');
  return pem;
}

function bad(place: Place, detail: string, cause?: unknown): ConfigError {
  return new ConfigError('TLSHUB_CONFIG_OTLP', place, detail, { cause });
}
