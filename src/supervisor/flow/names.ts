// SPDX-License-Identifier: Apache-2.0
/**
 * Flows whose keys both ends make by name: they are made as soon as the flow is established, when the epoch is sure to be there, and wait with it
 * until its socket is taken; a server may accept late. To the machine it is a negotiation that is answered at once.
 */
import type { InstallerCommand, Negotiated } from '../../shared/ipc/messages.js';
import { FlowClass } from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import type { KernelAddon } from '../../shared/kernel/kernel-addon.js';
import type { KeysByName, NamedFlow, NamedKeys, NoKeys } from '../provider/keys-by-name.js';
import type { Input } from './machine.js';
import { failure, whyHopeless } from './negotiations.js';
import type { Flow } from './table.js';

export interface NamesOptions {
  keysByName: KeysByName;
  kernel: Pick<KernelAddon, 'discardSecret'>;
  /** to the installer */
  send(command: InstallerCommand): void;
}

/**
 * Of one cgroup: an eighth of what the memory for secrets has room for (native/domain/secrets). Servers that do not accept keep others' keys from
 * nobody.
 */
export const MOST_WAITING = 8192;

export class Names {
  /** by the cgroup of the flow's socket: keys that wait for it */
  private readonly waiting = new Map<bigint, number>();

  constructor(private readonly options: NamesOptions) {}

  /** Makes its keys, once; of one that goes in-band it is told where to. Nothing is done for flows that are not established, or over. */
  established(flow: Flow): void {
    if (flow.class !== FlowClass.MESH || flow.establishedNs === 0 || flow.secured || flow.named !== undefined) return;
    const { phase } = flow.machine;
    if (phase === 'done' || phase === 'ending') return;
    const { agreed } = flow;
    flow.named = agreed === undefined ? this.inBand(flow) : this.make({ ...flow, agreed });
  }

  /** It is secured. */
  secured(flow: Flow): void {
    if (flow.role === 'active' && flow.agreed === undefined && flow.peerNode !== null) {
      this.options.keysByName.need(flow.peerNode);
    }
  }

  /** Its socket is taken: the keys go to the installer. Undefined: it is for a provider. */
  take(flow: Flow): Input | undefined {
    if (flow.agreed === undefined) return undefined;
    this.established(flow);
    const { named, held } = flow;
    if (named === undefined || named === 'none' || held === undefined) {
      return failure('TLSHUB_CHANNEL_EPOCH_GONE', 'its keys were handed on before, and nothing came of it');
    }
    flow.named = 'none';
    if (!('secrets' in named)) {
      named.refused?.();
      return failure(named.code, named.reason);
    }
    this.waits(flow, -1);
    flow.provider = named.provider;
    flow.askedNs = monotonicNs();
    this.options.send(negotiatedOf(flow, held, named));
    return { type: 'negotiated' };
  }

  /** It has ended: nobody comes for its keys. */
  discard(flow: Flow): void {
    const { named } = flow;
    if (named === undefined || named === 'none') return;
    flow.named = 'none';
    if (!('secrets' in named)) return;
    this.waits(flow, -1);
    this.options.kernel.discardSecret(named.secrets);
  }

  private make(flow: Flow & NamedFlow): NamedKeys | NoKeys {
    const keys = whyHopeless(flow) ?? this.tooMany(flow) ?? this.options.keysByName.derive(flow);
    if ('secrets' in keys) this.waits(flow, 1);
    return keys;
  }

  private tooMany({ cgroup }: Flow): NoKeys | undefined {
    if ((this.waiting.get(cgroup) ?? 0) < MOST_WAITING) return undefined;
    const reason = `${MOST_WAITING} connections of its cgroup have keys and wait to be accepted`;
    return { code: 'TLSHUB_OVERLOAD', reason };
  }

  private waits({ cgroup }: Flow, by: 1 | -1): void {
    const count = (this.waiting.get(cgroup) ?? 0) + by;
    if (count === 0) this.waiting.delete(cgroup);
    else this.waiting.set(cgroup, count);
  }

  private inBand({ role, peerNodes }: Flow): 'none' {
    // One of several nodes is not known before it has proven itself.
    const [node, ...others] = peerNodes;
    if (role === 'active' && node !== undefined && others.length === 0) this.options.keysByName.need(node);
    return 'none';
  }
}

/** Asked and begun when the socket was there: what is before that is the program's time. */
function negotiatedOf(flow: Flow, held: NonNullable<Flow['held']>, keys: NamedKeys): Negotiated {
  const { ticket, slot, fd, cookie, generation, charge } = held;
  return {
    ...{ type: 'negotiated', ticket, slot, fd, cookie, generation, charge, role: flow.role },
    summary: {
      provider: keys.provider,
      cipher: keys.cipher,
      tlsVersion: 'TLSv1.3',
      peerName: keys.peerName,
      askedNs: flow.askedNs,
      startedNs: flow.askedNs,
      negotiationMs: keys.tookMs,
    },
    ...{ secrets: keys.secrets, txSequence: 0n, rxSequence: 0n, bytesSent: 0, bytesReceived: 0 },
  };
}
