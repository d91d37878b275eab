// SPDX-License-Identifier: Apache-2.0
/** Where the control socket lives: a folder of our own with 0700, so that nobody else can reach the socket, whatever its mode. */
import { chmodSync, lstatSync, renameSync, rmSync, statSync, type Stats } from 'node:fs';
import { createConnection, type Server } from 'node:net';
import { dirname } from 'node:path';
import { ControlError, PermissionError, toWire } from '../shared/errors/errors.js';
import { makeFolder } from '../shared/files/make-folder.js';

/** @throws ControlError TLSHUB_CONTROL_SOCKET, PermissionError */
export function prepareFolder(path: string): void {
  const folder = dirname(path);
  let stat: Stats;
  try {
    makeFolder(folder, 0o700);
    stat = statSync(folder);
  } catch (cause) {
    throw socketError(path, `cannot make the folder ${folder}`, cause);
  }
  if ((stat.mode & 0o077) === 0) return;
  const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0');
  throw new ControlError('TLSHUB_CONTROL_SOCKET', `the folder ${folder} is open to other users (mode ${mode})`, {
    remedy: `chmod 0700 ${folder}, or give control_socket a folder of its own.`,
  });
}

/**
 * Listens on `path`, replacing what a dead supervisor left there. The socket is made under another name and moved into place, so that a
 * client finds either the old one or the new one, and never one with a looser mode.
 * @param takeOver also replace the socket of a supervisor that still answers (an upgrade in place)
 * @returns the inode, by which `remove` later knows whether the path is still ours
 */
export async function listen(server: Server, path: string, takeOver: boolean): Promise<bigint> {
  const existing = lstatSync(path, { throwIfNoEntry: false });
  if (existing !== undefined && !existing.isSocket()) {
    throw new ControlError('TLSHUB_CONTROL_SOCKET', `${path} exists and is no socket`, {
      remedy: 'Remove it, or choose another control_socket.',
    });
  }
  if (existing !== undefined && !takeOver && (await answers(path))) {
    throw new ControlError('TLSHUB_CONTROL_SOCKET', `another supervisor answers on ${path}`, {
      remedy: 'Stop it first, or give this one its own control_socket.',
    });
  }
  const temporary = `${path}.${process.pid}`;
  try {
    rmSync(temporary, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(temporary, () => {
        server.off('error', reject);
        resolve();
      });
    });
    chmodSync(temporary, 0o600);
    const { ino } = lstatSync(temporary, { bigint: true });
    renameSync(temporary, path);
    return ino;
  } catch (cause) {
    server.close();
    rmSync(temporary, { force: true });
    throw socketError(path, `cannot listen on ${path}`, cause);
  }
}

/** Removes the socket unless somebody has put another in its place. */
export function remove(path: string, inode: bigint): void {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat?.ino === inode) rmSync(path, { force: true });
}

/** Does somebody listen there? */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const settle = (alive: boolean) => () => {
      socket.destroy();
      resolve(alive);
    };
    socket.once('connect', settle(true));
    socket.once('error', settle(false));
  });
}

function socketError(path: string, what: string, cause: unknown): Error {
  const { errno, message } = toWire(cause);
  const options = { cause, ...(errno === undefined ? {} : { errno }) };
  if (errno === 'EACCES' || errno === 'EPERM') return new PermissionError(`${what}: ${message}`, options);
  return new ControlError('TLSHUB_CONTROL_SOCKET', `${what} (control_socket = ${path}): ${message}`, options);
}
