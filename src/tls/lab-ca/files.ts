// SPDX-License-Identifier: Apache-2.0
/** Writing keys and certificates: folders 0700, keys 0600, whole files or none, and no overwriting by accident. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PkiError, toWire } from '../../shared/errors/errors.js';
import { makeFolder } from '../../shared/files/make-folder.js';
import { writeWhole } from '../../shared/files/atomic-file.js';

export interface PkiFile {
  name: string;
  contents: string;
  /** permission bits */
  mode: number;
}

/** Makes the folder with 0700; one that exists must not be writable for others, since they could swap the CA. */
export async function prepareFolder(dir: string): Promise<void> {
  try {
    makeFolder(dir, 0o700);
    const { mode } = await stat(dir);
    if ((mode & 0o022) === 0) return;
  } catch (cause) {
    throw writeFailed(`cannot make the folder ${dir}`, cause);
  }
  throw new PkiError('TLSHUB_PKI_IO', `${dir} is writable for others: whoever can write there can replace the CA`, {
    remedy: `chmod go-w ${dir}, or choose another folder.`,
  });
}

/** @throws PkiError TLSHUB_PKI_EXISTS if one of them is there */
export async function refuseExisting(dir: string, names: string[]): Promise<void> {
  for (const name of names) {
    const path = join(dir, name);
    const there = await access(path, constants.F_OK).then(
      () => true,
      () => false,
    );
    if (there) throw new PkiError('TLSHUB_PKI_EXISTS', `${path} exists already`);
  }
}

/** Writes each whole, so that nobody ever reads half a key. Without `force` an existing file stays. */
export async function writeFiles(dir: string, files: PkiFile[], force: boolean): Promise<void> {
  for (const { name, contents, mode } of files) {
    const path = join(dir, name);
    let written: boolean;
    try {
      written = await writeWhole(path, contents, { replace: force, mode });
    } catch (cause) {
      throw writeFailed(`cannot write ${path}`, cause);
    }
    if (!written) throw new PkiError('TLSHUB_PKI_EXISTS', `${path} exists already`);
  }
}

function writeFailed(what: string, cause: unknown): PkiError {
  const { errno, message } = toWire(cause);
  return new PkiError('TLSHUB_PKI_IO', `${what}: ${message}`, {
    cause,
    ...(errno === undefined ? {} : { errno }),
    ...(errno === 'EACCES' || errno === 'EPERM'
      ? { exitCode: 77, remedy: 'Run it as a user who may write there.' }
      : {}),
  });
}
