// SPDX-License-Identifier: Apache-2.0
/**
 * Takes away the gate of a dead agent that has no successor: `tlshubctl release`.
 *
 * What the gate holds back must not become plaintext by that. So the order is that of an agent's own end: end what is not secured while
 * the gate is still shut; let new connections go; end what came in between; and take the programs away only when nothing needs them any
 * more. If a connection cannot be ended, the gate stays shut.
 */
import { existsSync, readdirSync, statSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { answers } from '../control/socket-path.js';
import { lockHolderNames } from '../shared/files/lock-holders.js';
import { Intent } from '../shared/kernel/abi.js';
import { NotFoundError, ReleaseError, UsageError } from '../shared/errors/errors.js';
import type { KernelAddon, PinnedFds } from '../shared/kernel/kernel-addon.js';
import { removeFolders } from '../supervisor/gate/kept-process.js';
import { Ending, type EndingKernel } from './ending.js';
import { whyAlive, type Liveness } from './liveness.js';

/** For connections to end, in ms. */
const END_MS = 10_000;
/** Between two looks at who works on the pins, in ms. */
const LOOK_MS = 100;
/** statfs(2) */
const BPF_FS_MAGIC = 0xcafe4a11;

export interface ReleaseOptions {
  pinDir: string;
  controlSocket: string;
  /** how long to wait for the guardian of an agent that has just gone, in ms */
  waitMs: number;
}

export interface ReleaseReport {
  pinDir: string;
  /** programs, maps and the like that were pinned */
  pins: number;
  /** connections that only the gate kept from going in plaintext */
  ended: number;
  /** connections that run on by their own kernel TLS */
  secured: number;
  /** processes that stood still and were continued */
  continued: number;
}

export type ReleaseKernel = EndingKernel &
  Pick<
    KernelAddon,
    | 'lockPins'
    | 'openPins'
    | 'readLeases'
    | 'exemptSelf'
    | 'updateSettings'
    | 'setIntent'
    | 'clearMesh'
    | 'stoppedFlows'
    | 'releasePins'
  >;

/** @throws ReleaseError, NotFoundError if nothing is pinned there, UsageError if that is no folder of bpffs */
export async function releaseGate(
  kernel: ReleaseKernel,
  { pinDir, controlSocket, waitMs }: ReleaseOptions,
): Promise<ReleaseReport> {
  checkFolder(pinDir);
  const end = performance.now() + waitMs;
  let controlAnswers = await answers(controlSocket);
  // Until this process ends: an agent that starts meanwhile finds the folder locked.
  let lock = kernel.lockPins(pinDir);
  while (lock === undefined && !controlAnswers && performance.now() < end) {
    await sleep(LOOK_MS);
    controlAnswers = await answers(controlSocket);
    lock = kernel.lockPins(pinDir);
  }
  refuseIfAlive(pinDir, {
    controlAnswers,
    lockedBy: lock === undefined ? lockHolderNames(pinDir) : undefined,
    ...NO_LEASES,
  });
  const report = await takeAway(kernel, pinDir, readdirIf(join(pinDir, 'links')).length > 0, END_MS);
  for (const name of ['guardian', 'holder']) removeFolders(name);
  if (existsSync(pinDir)) {
    throw new ReleaseError('TLSHUB_RELEASE_LEFT', `the gate is gone, but ${pinDir} cannot be removed: it is not empty`);
  }
  return report;
}

/**
 * The part that is about the gate itself, for who has the lock.
 * @param attached false: an agent that died before it had attached anything has left a folder, and no gate
 * @param endMs for connections to end
 */
export async function takeAway(
  kernel: ReleaseKernel,
  pinDir: string,
  attached: boolean,
  endMs: number,
): Promise<ReleaseReport> {
  if (!attached) return { pinDir, pins: kernel.releasePins(pinDir), ended: 0, secured: 0, continued: 0 };
  const pinned = kernel.openPins(pinDir);
  try {
    return await takeGateAway(kernel, pinDir, pinned.fds, endMs);
  } finally {
    pinned.close();
  }
}

async function takeGateAway(
  kernel: ReleaseKernel,
  pinDir: string,
  fds: PinnedFds,
  endMs: number,
): Promise<ReleaseReport> {
  const leases = kernel.readLeases(fds.leases);
  const now = process.hrtime.bigint();
  refuseIfAlive(pinDir, {
    controlAnswers: false,
    lockedBy: undefined,
    agentLeaseMs: Number(leases.agentUntilNs - now) / 1e6,
    guardianLeaseMs: Number(leases.guardianUntilNs - now) / 1e6,
  });
  kernel.exemptSelf(fds.agents);
  const ending = new Ending(kernel, fds, endMs);
  await ending.endPresent();
  openForNew(kernel, fds);
  await ending.endAll();
  const pins = kernel.releasePins(pinDir);
  // Who stood still for none of the connections that were ended, and whoever was inside the gate when it was taken away.
  const continued = kernel
    .stoppedFlows(fds.stops)
    .reduce((count, cookie) => count + kernel.continueStopped(fds, cookie), ending.continued);
  return { pinDir, pins, ended: ending.ended, secured: ending.secured, continued };
}

const NO_LEASES = { agentLeaseMs: 0, guardianLeaseMs: 0 } as const;

function refuseIfAlive(pinDir: string, seen: Liveness): void {
  const why = whyAlive(seen);
  if (why !== undefined) throw new ReleaseError('TLSHUB_RELEASE_ALIVE', `${pinDir} is in use: ${why}`);
}

function checkFolder(pinDir: string): void {
  if (!existsSync(pinDir)) {
    throw new NotFoundError(`nothing is pinned in ${pinDir}`, {
      remedy: 'There is no gate of an agent here, or bpf_pin_dir says another folder: name it with --pin-dir PATH.',
    });
  }
  if (statfsSync(pinDir).type === BPF_FS_MAGIC && statSync(pinDir).isDirectory()) return;
  throw new UsageError(`${pinDir} is no folder of bpffs: an agent pins nothing there`);
}

function readdirIf(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** New connections are from now on what they will be without a gate. Those that it knows keep what was decided for them. */
function openForNew(kernel: ReleaseKernel, fds: PinnedFds): void {
  kernel.setIntent(fds.settings, Intent.UNKNOWN);
  kernel.updateSettings(fds, {
    holdMs: END_MS,
    silentPeerMs: END_MS,
    nonblockingMs: 0,
    policy: 'permissive',
    sameNode: 'plaintext',
    rules: [],
    emitConnect: false,
    keyNetlink: 0,
  });
  kernel.clearMesh(fds.mesh);
}
