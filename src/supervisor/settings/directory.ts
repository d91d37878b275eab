// SPDX-License-Identifier: Apache-2.0
/**
 * What the mapping and the policy say about flows, as the dispatcher asks it.
 *
 * A flow is judged by what was in force when it began. News of it comes a little later, and a reload may lie in between; while one is under
 * way the kernel knows the old and the new addresses at once. So the settings of the last minute are kept here, and the coming ones.
 */
import { decide, policyOf, type Decision } from '../../policy/decide.js';
import type { Tuple } from '../../shared/kernel/abi.js';
import { monotonicNs } from '../../shared/kernel/clock.js';
import type { Role } from '../../shared/kernel/words.js';
import type { Settings } from './in-force.js';

export interface PeerNodes {
  /** that the peer may be; none: it has no right to a connection */
  nodes: readonly string[];
  /** the words for it */
  reason: string;
}

/** What the mapping says about a flow. */
export interface Directory {
  /** @param sinceNs when the flow began, CLOCK_MONOTONIC nanoseconds; 0: only just */
  peerNodes(tuple: Tuple, role: Role, sinceNs: number): PeerNodes;
  /** the pod at the peer's address, or the service whose address it is */
  pod(tuple: Tuple): string | null;
}

export function decideBy(
  { config, mapping }: Pick<Settings, 'config' | 'mapping'>,
  tuple: Tuple,
  role: Role,
): Decision {
  return decide({ ...tuple, role }, mapping, policyOf(config));
}

/** So many past settings at most: a mapping may be large. */
const MAX_PAST = 8;
/** No event is older than this, in ns: a minute of a machine that stands still. */
const KEPT_NS = 60e9;

interface Past {
  settings: Settings;
  /** CLOCK_MONOTONIC nanoseconds at which another took its place */
  untilNs: number;
}

export class DirectoryHistory implements Directory {
  /** oldest first */
  private past: Past[] = [];
  private coming: Settings | undefined;

  constructor(
    private present: Settings,
    private readonly clock = monotonicNs,
  ) {}

  /** The kernel is about to learn of it. Undefined: nothing comes of the one announced before. */
  announce(coming: Settings | undefined): void {
    this.coming = coming;
  }

  swap(next: Settings): void {
    const now = this.clock();
    this.past.push({ settings: this.present, untilNs: now });
    this.past = this.past.filter(({ untilNs }) => untilNs > now - KEPT_NS).slice(-MAX_PAST);
    this.present = next;
    this.coming = undefined;
  }

  peerNodes(tuple: Tuple, role: Role, sinceNs: number): PeerNodes {
    const first = this.at(sinceNs);
    const answer = answerOf(first, tuple, role);
    if (first.mapping.serviceOf(tuple.remote) !== undefined) return this.ofService(answer, tuple);
    if (answer.nodes.length > 0) return answer;
    // The gate asks for peers of the mesh only: it knew this one from the settings just before, or just after.
    for (const settings of [this.coming, this.present, ...this.past.map((entry) => entry.settings).reverse()]) {
      if (settings === undefined || settings === first) continue;
      const other = answerOf(settings, tuple, role);
      if (other.nodes.length > 0) return other;
    }
    return answer;
  }

  pod({ remote }: Tuple): string | null {
    const { mapping } = this.present;
    return mapping.podOf(remote) ?? mapping.serviceOf(remote) ?? null;
  }

  /** Whoever translates hears of an endpoint as we do, a little earlier or later: of those that came since the flow began it may be any. */
  private ofService({ nodes, reason }: PeerNodes, { remote }: Tuple): PeerNodes {
    const all = new Set(nodes);
    for (const settings of [this.present, this.coming]) {
      if (settings?.mapping.serviceOf(remote) === undefined) continue;
      for (const node of settings.mapping.nodesOfAddress(remote)) all.add(node);
    }
    return { nodes: all.size === nodes.length ? nodes : [...all], reason };
  }

  private at(sinceNs: number): Settings {
    if (sinceNs === 0) return this.present;
    return this.past.find(({ untilNs }) => sinceNs < untilNs)?.settings ?? this.present;
  }
}

function answerOf(settings: Settings, tuple: Tuple, role: Role): PeerNodes {
  // The gate has decided, by the policy that was in force then. Who the peer may be is the mapping's to say.
  return { nodes: settings.mapping.nodesOfAddress(tuple.remote), reason: decideBy(settings, tuple, role).reason };
}
