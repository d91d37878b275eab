/** The node's CA, certificate and key, read from where the configuration says. */
import { readFileSync } from 'node:fs';
import type { Config } from '../config/index.js';
import { CredentialsError, toWire } from '../shared/errors.js';
import type { HandshakeCredentials } from '../shared/native.js';

/** @throws CredentialsError (exit status 78) that names the key of the configuration and the file */
export function readCredentials(config: Config): HandshakeCredentials {
  return {
    caPem: readPem('tls.ca', config.tls.ca),
    certPem: readPem('tls.cert', config.tls.cert),
    keyPem: readPem('tls.key', config.tls.key),
    ciphers: [...config.tls.ciphers],
  };
}

function readPem(key: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CredentialsError(`${key}: cannot read ${file}: ${toWire(cause).message}`, { cause });
  }
}
