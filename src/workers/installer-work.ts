// SPDX-License-Identifier: Apache-2.0
/** What the installer does with each message, apart from how messages reach it. Helpers do the work; none of it waits for another's. */
import { toWire, type WireError } from '../shared/errors/errors.js';
import type { InstallerCommand, InstallerReport, Negotiated } from '../shared/ipc/messages.js';
import type { EndHow, EndResult, Helpers, InstallResult } from '../shared/kernel/helpers-addon.js';
import type { FlowFds, KernelAddon } from '../shared/kernel/kernel-addon.js';
import { installedReport, keysToSet } from '../shared/ipc/installation.js';
import { claimSlot } from '../shared/ipc/slots.js';

export interface InstallerWorkOptions {
  kernel: Pick<KernelAddon, 'continueStopped' | 'discardSecret'>;
  helpers: Pick<Helpers, 'install' | 'end' | 'destroy'>;
  fds: FlowFds;
  slots: Int32Array;
  report(report: InstallerReport): void;
}

export class InstallerWork {
  /** tasks that helpers are at */
  inFlight = 0;

  constructor(private readonly options: InstallerWorkOptions) {}

  /** Sets the keys and opens the gate; on failure refuses. The descriptor is released and the secrets are used up either way. */
  install(negotiated: Negotiated): void {
    const { ticket, slot, summary, secrets } = negotiated;
    // Somebody gave it up in the meantime: the descriptor is closed, its number may be another socket's.
    if (!claimSlot(this.options.slots, slot, ticket)) {
      this.options.kernel.discardSecret(secrets);
      return;
    }
    this.setKeys(negotiated, (result) => {
      if (result instanceof Error) {
        this.options.report({ type: 'install-failed', ticket, summary, error: toWire(result) });
        return;
      }
      this.options.report(installedReport(ticket, summary, result));
    });
  }

  execute(command: InstallerCommand): void {
    switch (command.type) {
      case 'refuse':
      case 'forbid':
      case 'hang-up':
      case 'close':
        this.end(command);
        return;
      case 'destroy':
        this.destroy(command);
        return;
      case 'continue':
        this.continueStopped(command.cookie);
        return;
    }
  }

  private setKeys(negotiated: Negotiated, done: (result: InstallResult | Error) => void): void {
    const { fd, cookie, generation, charge } = negotiated;
    const task = { fd, cookie, generation, tgid: 0, charge };
    const answered = this.answered(done);
    try {
      this.options.helpers.install({ ...task, ...keysToSet(negotiated) }, answered);
    } catch (error) {
      // No keys could be made of the secrets.
      const failure = error instanceof Error ? error : new Error(String(error));
      this.options.helpers.end('refuse', { ...task, handshakeOnly: false }, () => answered(failure));
    }
  }

  private end(command: Extract<InstallerCommand, { type: EndHow }>): void {
    const { type: how, ticket, slot, fd, cookie, generation, charge } = command;
    const tgid = 'tgid' in command ? command.tgid : 0;
    const handshakeOnly = 'handshakeOnly' in command && command.handshakeOnly;
    if (!claimSlot(this.options.slots, slot, ticket)) return;
    const answered = this.answered<EndResult>((result) => {
      const failed = result instanceof Error;
      const { by, discardedBytes, continued } = failed ? { by: 'failed', discardedBytes: 0, continued: 0 } : result;
      // After the close: whoever goes on now finds no descriptor of ours that would keep the connection from ending.
      const late = how === 'close' || how === 'hang-up' || failed ? this.continueStopped(cookie) : undefined;
      const failure = failed ? toWire(result) : late;
      const error = failure === undefined ? {} : { error: failure };
      this.options.report(
        how === 'refuse'
          ? { type: 'refused', ticket, by, discardedBytes, continued, ...error }
          : { type: 'closed', ticket, continued, ...error },
      );
    });
    this.options.helpers.end(how, { fd, cookie, generation, tgid, charge, handshakeOnly }, answered);
  }

  private destroy({ ticket, cookie, tuple, tgid, charge }: InstallerCommand & { type: 'destroy' }): void {
    const answered = this.answered<boolean>((result) => {
      this.continueStopped(cookie);
      const error = result instanceof Error ? { error: toWire(result) } : {};
      this.options.report({ type: 'destroyed', ticket, found: result === true, ...error });
    });
    this.options.helpers.destroy({ tuple, cookie, generation: 0, tgid, charge }, answered);
  }

  private answered<T>(done: (result: T | Error) => void): (result: T | Error) => void {
    this.inFlight++;
    return (result) => {
      this.inFlight--;
      done(result);
    };
  }

  /** What it threw, or undefined. One flow's failure must not end the thread that all flows need. */
  private continueStopped(cookie: bigint): WireError | undefined {
    try {
      this.options.kernel.continueStopped(this.options.fds, cookie);
      return undefined;
    } catch (error) {
      return toWire(error);
    }
  }
}
