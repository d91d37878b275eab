// SPDX-License-Identifier: Apache-2.0
/** Commands on their way to the installer, in order, also when its ring is full for a while. */
import type { InstallerCommand } from '../../shared/ipc/messages.js';

export class CommandQueue {
  /** commands that found the ring full; sent before any other */
  private readonly backlog: InstallerCommand[] = [];
  /** commands that had to wait for room */
  delayed = 0;

  /** @param put into the ring; false: no room now */
  constructor(private readonly put: (command: InstallerCommand) => boolean) {}

  send(command: InstallerCommand): void {
    if (this.backlog.length === 0 && this.put(command)) return;
    this.delayed++;
    this.backlog.push(command);
  }

  /** Sends what had to wait, as far as there is room. */
  flush(): void {
    while (this.backlog.length > 0) {
      const command = this.backlog[0];
      if (command === undefined || !this.put(command)) return;
      this.backlog.shift();
    }
  }
}
