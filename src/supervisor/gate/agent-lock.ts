/**
 * One agent on a folder of pins: two of them would write the same maps. Taken before anything else of the gate is touched.
 *
 * The kernel lets go of it when the process is gone, which for one that was killed may be a moment after its successor starts.
 */
import { rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AlreadyRunningError } from '../../shared/errors/errors.js';
import { lockHolderNames } from '../../shared/files/lock-holders.js';
import type { KernelAddon } from '../../shared/kernel/kernel-addon.js';

/** For a process that is ending to be gone, in ms. */
const ENDING_MS = 2000;
const LOOK_MS = 50;
/** native/domain/pins.h, lockAgent */
const LOCKED = 'links';

/**
 * Held until this process ends; then folders in which nothing is pinned go too.
 * @throws AlreadyRunningError
 */
export async function takeAgentLock(
  addon: Pick<KernelAddon, 'lockAgent'>,
  pinDir: string,
  endingMs = ENDING_MS,
): Promise<void> {
  const until = performance.now() + endingMs;
  while (addon.lockAgent(pinDir) === undefined) {
    if (performance.now() < until) {
      await sleep(LOOK_MS);
      continue;
    }
    const [holder] = holdersOf(pinDir);
    const who = holder === undefined ? 'a process of another container' : `process ${holder}`;
    throw new AlreadyRunningError(`${who} is the agent that works on ${pinDir} (bpf_pin_dir)`);
  }
  process.once('exit', () => removeEmptyFolders(pinDir));
}

function holdersOf(pinDir: string): string[] {
  try {
    return lockHolderNames(join(pinDir, LOCKED));
  } catch {
    return []; // It has gone this moment, with its folder.
  }
}

/** So that an agent that does not come up leaves nothing behind. A folder with a pin in it stays. */
function removeEmptyFolders(pinDir: string): void {
  for (const folder of ['links', 'maps', '.']) {
    try {
      rmdirSync(join(pinDir, folder));
    } catch {
      // In use, or gone.
    }
  }
}
