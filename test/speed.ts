// SPDX-License-Identifier: Apache-2.0
/**
 * How slow this machine is, measured once at the start of a run: the one place that deadlines of tests come from. They are written down as
 * what they must be on the machine of REFERENCE_MS, and are multiplied by what this one takes more.
 *
 * `node build/test/speed.js` prints it in per cent, for scripts; TEST_SLOWNESS hands it on to whatever is started after that.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

/**
 * What `measure` took on two idle cores of a server of 2024 (2.9 GHz), the median of nine: as it is, and in the virtual machine of
 * scripts/vm under software emulation.
 */
const REFERENCE_MS = { host: 235, vm: 1700 };

/** More than this is no slow machine but a broken one. */
const SLOWEST = 800;

/** Starts of a program, since that is what tests wait for most: here Node.js itself, with a computation in it. */
const STARTS = 2;
const WORK = 'let x = 1; for (let i = 0; i < 4e6; i++) x = (x * 48271) % 2147483647; process.exitCode = x > 0 ? 0 : 1';

/** Milliseconds that a fixed amount of work takes now. */
function measure(): number {
  const started = performance.now();
  for (let i = 0; i < STARTS; i++) {
    const { status } = spawnSync(process.execPath, ['-e', WORK], { env: {} });
    if (status !== 0) throw new Error(`the speed of this machine cannot be measured: node ended with ${status}`);
  }
  return performance.now() - started;
}

/** In per cent of the reference's time, at least 100. Where nothing says that this is the virtual machine, tests only wait longer. */
function slowness(): number {
  const reference = process.env.TEST_MACHINE === 'vm' ? REFERENCE_MS.vm : REFERENCE_MS.host;
  return Math.min(Math.max(Math.ceil((100 * measure()) / reference), 100), SLOWEST);
}

/** Measures, unless it has been measured, and hands it on to this process and those it starts. */
export function measureSpeed(): number {
  process.env.TEST_SLOWNESS ??= String(slowness());
  return Number(process.env.TEST_SLOWNESS);
}

/** A deadline of the reference's machine, in milliseconds, as it must be on this one. */
export function patience(ms: number): number {
  return Math.ceil((ms * Number(process.env.TEST_SLOWNESS ?? 100)) / 100);
}

if (process.argv[1] === resolve(import.meta.filename)) process.stdout.write(`${measureSpeed()}\n`);
