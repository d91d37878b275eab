// SPDX-License-Identifier: Apache-2.0
/** Real helper processes for sockets of our own, without a gate. */
import { spawn } from 'node:child_process';
import { builtFile } from '../../src/shared/files/package.js';
import { kernel } from '../../src/shared/kernel/native.js';

/** The `fd` is what threads open helpers by. */
export function startOwnHelpers(): { fd: number; stop(): void } {
  const [fd, otherEnd] = kernel().helperParentPair();
  const child = spawn(builtFile('native/tlshub-helper'), { stdio: ['ignore', 'ignore', 'inherit', otherEnd] });
  child.unref();
  kernel().closeFd(otherEnd);
  return { fd, stop: () => kernel().closeFd(fd) };
}
