// SPDX-License-Identifier: Apache-2.0
/** What the installer does with each message, apart from how messages reach it. */
import { PROVIDER_NUMBERS } from '../shared/kernel/abi.js';
import { toWire, type WireError } from '../shared/errors/errors.js';
import type { Held, InstallerCommand, InstallerReport, Negotiated } from '../shared/ipc/messages.js';
import type { GateFds, InstallResult, KernelAddon } from '../shared/kernel/kernel-addon.js';
import { claimSlot } from '../shared/ipc/slots.js';

type InstallerKernel = Pick<
  KernelAddon,
  'install' | 'refuse' | 'forbid' | 'releaseSocket' | 'destroyByTuple' | 'continueStopped' | 'discardSecret'
>;

export class InstallerWork {
  constructor(
    private readonly kernel: InstallerKernel,
    private readonly fds: GateFds,
    private readonly slots: Int32Array,
    private readonly report: (report: InstallerReport) => void,
  ) {}

  /** Sets the keys and opens the gate; on failure refuses. The descriptor is released and the secrets are used up either way. */
  install(negotiated: Negotiated): void {
    const { ticket, slot, summary, secrets } = negotiated;
    // Somebody gave it up in the meantime: the descriptor is closed, its number may be another socket's.
    if (!claimSlot(this.slots, slot, ticket)) {
      this.kernel.discardSecret(secrets);
      return;
    }
    let result: InstallResult;
    try {
      result = this.setKeys(negotiated);
    } catch (error) {
      this.attempt(() => this.kernel.refuse(this.fds, negotiated.fd, negotiated.cookie, negotiated.generation, 0));
      this.attempt(() => this.kernel.releaseSocket(this.fds, negotiated.fd, negotiated.cookie));
      this.report({ type: 'install-failed', ticket, summary, error: toWire(error) });
      return;
    }
    this.report({
      type: 'installed',
      ticket,
      summary,
      openedNs: Number(result.openedNs),
      kernelUlp: result.kernelUlp,
      kernelCipher: result.kernelCipher,
      kernelVersion: result.kernelVersion,
      remembered: result.remembered,
      continued: result.continued,
    });
  }

  execute(command: InstallerCommand): void {
    switch (command.type) {
      case 'refuse': {
        this.refuse(command, command.tgid);
        return;
      }
      case 'forbid': {
        this.forbid(command);
        return;
      }
      case 'close': {
        this.close(command);
        return;
      }
      case 'destroy': {
        const { ticket, cookie, tuple, tgid } = command;
        let found = false;
        const error = this.attempt(() => {
          found = this.kernel.destroyByTuple(tuple, cookie, tgid);
        });
        this.attempt(() => this.kernel.continueStopped(this.fds, cookie));
        this.report({ type: 'destroyed', ticket, found, ...(error === undefined ? {} : { error }) });
        return;
      }
      case 'continue':
        this.attempt(() => this.kernel.continueStopped(this.fds, command.cookie));
        return;
    }
  }

  private setKeys(negotiated: Negotiated): InstallResult {
    const { summary, role, secrets } = negotiated;
    return this.kernel.install(this.fds, {
      fd: negotiated.fd,
      cookie: negotiated.cookie,
      generation: negotiated.generation,
      cipher: summary.cipher,
      role,
      secrets,
      txSequence: negotiated.txSequence,
      rxSequence: negotiated.rxSequence,
      handshakeBytesSent: negotiated.bytesSent,
      handshakeBytesReceived: negotiated.bytesReceived,
      provider: PROVIDER_NUMBERS[summary.provider],
      askedNs: BigInt(Math.round(summary.askedNs)),
      startedNs: BigInt(Math.round(summary.startedNs)),
      negotiationNs: BigInt(Math.round(summary.negotiationMs * 1e6)),
      peerNode: summary.peerName,
    });
  }

  private refuse(held: Held, tgid: number): void {
    if (!claimSlot(this.slots, held.slot, held.ticket)) return;
    let result = { by: 'failed', discardedBytes: 0, continued: 0 };
    const error = this.attempt(() => {
      result = this.kernel.refuse(this.fds, held.fd, held.cookie, held.generation, tgid);
    });
    const closing = this.attempt(() => {
      result.continued += this.kernel.releaseSocket(this.fds, held.fd, held.cookie);
    });
    const failure = error ?? closing;
    this.report({
      type: 'refused',
      ticket: held.ticket,
      ...result,
      ...(failure === undefined ? {} : { error: failure }),
    });
  }

  private forbid(held: Held): void {
    if (!claimSlot(this.slots, held.slot, held.ticket)) return;
    let continued = 0;
    const error = this.attempt(() => {
      continued = this.kernel.forbid(this.fds, held.fd, held.cookie, held.generation);
    });
    const closing = this.attempt(() => {
      continued += this.kernel.releaseSocket(this.fds, held.fd, held.cookie);
    });
    const failure = error ?? closing;
    this.report({
      type: 'closed',
      ticket: held.ticket,
      continued,
      ...(failure === undefined ? {} : { error: failure }),
    });
  }

  private close(held: Held): void {
    if (!claimSlot(this.slots, held.slot, held.ticket)) return;
    let continued = 0;
    const error = this.attempt(() => {
      continued = this.kernel.releaseSocket(this.fds, held.fd, held.cookie);
    });
    // After the close: whoever goes on now finds no descriptor of ours that would keep the connection from ending.
    const late = this.attempt(() => {
      continued += this.kernel.continueStopped(this.fds, held.cookie);
    });
    const failure = error ?? late;
    this.report({
      type: 'closed',
      ticket: held.ticket,
      continued,
      ...(failure === undefined ? {} : { error: failure }),
    });
  }

  /** Runs it; what it threw, or undefined. One flow's failure must not end the thread that all flows need. */
  private attempt(run: () => void): WireError | undefined {
    try {
      run();
      return undefined;
    } catch (error) {
      return toWire(error);
    }
  }
}
