// SPDX-License-Identifier: Apache-2.0
/**
 * Flows whose keys both ends make by name: they are made as soon as the flow is established, when the epoch is sure to be there, and wait with it
 * until somebody has its socket; a server may accept late. Then a helper takes the socket and sets them, in one.
 */
import { keysToSet } from '../../shared/ipc/installation.js';
import type { NegotiationSummary } from '../../shared/ipc/messages.js';
import { FlowClass } from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import type { KeysToSet } from '../../shared/kernel/helpers-addon.js';
import type { KernelAddon } from '../../shared/kernel/kernel-addon.js';
import type { SecretHandle } from '../../shared/kernel/words.js';
import type { KeysByName, NamedFlow, NamedKeys, NoKeys } from '../provider/keys-by-name.js';
import type { Input } from './machine.js';
import { failure, whyHopeless } from './negotiations.js';
import type { Flow } from './table.js';

export interface NamesOptions {
  keysByName: KeysByName;
  kernel: Pick<KernelAddon, 'discardSecret'>;
}

/** Keys that a helper can set as soon as it has the socket, and the words for them. */
export interface ReadyKeys {
  keys: KeysToSet;
  summary: NegotiationSummary;
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
    flow.named = hasAgreed(flow) ? this.make(flow) : this.inBand(flow);
  }

  /** It is secured. */
  secured(flow: Flow): void {
    if (flow.role === 'active' && flow.agreed === undefined && flow.peerNode !== null) {
      this.options.keysByName.need(flow.peerNode);
    }
  }

  /** The keys that it has, for its socket; undefined: none. They come back, or are used. */
  keysOf(flow: Flow): ReadyKeys | undefined {
    this.established(flow);
    const { named, role } = flow;
    if (named === undefined || named === 'none' || !('secrets' in named)) return undefined;
    flow.provider = named.provider;
    flow.askedNs = monotonicNs();
    const { provider, cipher, peerName, secrets, tookMs } = named;
    const summary = {
      ...{ provider, cipher, tlsVersion: 'TLSv1.3', peerName },
      // What is before that is the program's time.
      ...{ askedNs: flow.askedNs, startedNs: flow.askedNs, negotiationMs: tookMs },
    };
    const nothingSaid = { txSequence: 0n, rxSequence: 0n, bytesSent: 0, bytesReceived: 0 };
    return { summary, keys: keysToSet({ role, summary, secrets, ...nothingSaid }) };
  }

  /** They have been used for it, once and for all. */
  used(flow: Flow): void {
    flow.named = 'none';
    this.waits(flow, -1);
  }

  /** They have not been used: for another try, or to be wiped when it ends. Undefined: they are gone. */
  cameBack(flow: Flow, secrets: SecretHandle | undefined): void {
    const { named } = flow;
    if (named === undefined || named === 'none' || !('secrets' in named)) return;
    if (secrets === undefined) this.used(flow);
    else flow.named = { ...named, secrets };
  }

  /** Its socket is taken, and it was to have keys by name: why it has none. Undefined: it is for a provider. */
  refusal(flow: Flow): Input | undefined {
    if (flow.agreed === undefined) return undefined;
    const { named } = flow;
    if (named === undefined || named === 'none' || 'secrets' in named) {
      this.discard(flow);
      return failure('TLSHUB_CHANNEL_EPOCH_GONE', 'its keys were not there when its socket was taken');
    }
    flow.named = 'none';
    named.refused?.();
    return failure(named.code, named.reason);
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

function hasAgreed(flow: Flow): flow is Flow & NamedFlow {
  return flow.agreed !== undefined;
}
