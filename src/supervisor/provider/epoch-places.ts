// SPDX-License-Identifier: Apache-2.0
/**
 * Where an epoch is known in this node, and in which order: whoever makes keys has its secret before the kernel names it, and loses it when the kernel
 * does not name it any more.
 */
import type { EpochKeys, EpochSide, GateFds, KernelAddon } from '../../shared/kernel/kernel-addon.js';
import type { CipherName, SecretHandle } from '../../shared/kernel/words.js';

export type EpochKernel = Pick<
  KernelAddon,
  'putEpoch' | 'dropEpoch' | 'numbersGiven' | 'putNodeEpoch' | 'dropNodeEpoch' | 'discardSecret'
>;

/** As `open` says it, and by when it takes no new connections, CLOCK_MONOTONIC in ms. */
export interface EpochEntry {
  epoch: number;
  opener: string;
  listener: string;
  cipher: CipherName;
  untilMs: number;
}

export class EpochPlaces {
  private gone = false;

  constructor(
    private readonly kernel: EpochKernel,
    private readonly fds: Pick<GateFds, 'epochs' | 'nodeEpochs'>,
    private readonly keys: Omit<EpochKeys, 'close'>,
    /** the gate's number of a node */
    private readonly numberOf: (node: string) => number,
  ) {}

  /** The secret is used up, whatever happens. @throws what the addon says; then it is known nowhere */
  enter(side: EpochSide, entry: EpochEntry, secret: SecretHandle): void {
    const { epoch, opener, listener, cipher } = entry;
    try {
      this.keys.add(side, epoch, opener, listener, cipher, secret);
    } catch (error) {
      this.kernel.discardSecret(secret);
      throw error;
    }
    this.name(side, entry);
  }

  /** For connections within the node. @throws as `enter` */
  enterOwn(entry: EpochEntry): void {
    this.keys.addOwn(entry.epoch, entry.opener, entry.cipher);
    this.name('opened', entry);
    this.name('accepted', entry);
  }

  /** No new connection uses it. */
  withdraw(side: EpochSide, node: string, epoch: number): void {
    if (this.gone) return;
    if (side === 'opened') this.kernel.dropEpoch(this.fds.epochs, epoch);
    else this.kernel.dropNodeEpoch(this.fds.nodeEpochs, this.numberOf(node), epoch);
  }

  /** None has keys of it from now on. */
  forget(side: EpochSide, node: string, epoch: number): void {
    try {
      this.withdraw(side, node, epoch);
    } finally {
      this.keys.forget(side, node, epoch);
    }
  }

  numbersGiven(epoch: number): number {
    return this.gone ? 0 : this.kernel.numbersGiven(this.fds.epochs, epoch);
  }

  /** The gate is going, and its maps with it. */
  gateGoes(): void {
    this.gone = true;
  }

  private name(side: EpochSide, { epoch, opener, listener, untilMs }: EpochEntry): void {
    const node = side === 'opened' ? listener : opener;
    const untilNs = BigInt(Math.round(untilMs * 1e6));
    try {
      if (this.gone) return;
      if (side === 'opened') this.kernel.putEpoch(this.fds.epochs, epoch, untilNs);
      else this.kernel.putNodeEpoch(this.fds.nodeEpochs, this.numberOf(node), epoch, untilNs);
    } catch (error) {
      this.keys.forget(side, node, epoch);
      throw error;
    }
  }
}
