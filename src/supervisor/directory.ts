/** What the mapping and the policy in force say about flows, as the dispatcher asks it. */
import { decide, policyOf } from '../policy/index.js';
import type { Directory } from './dispatcher.js';
import type { Settings } from './settings.js';

export function directoryOf({ config, mapping }: Settings): Directory {
  return {
    // The gate has decided, by the policy that was in force then. Who the peer may be is the mapping's to say.
    peerNodes: (tuple, role) => ({
      nodes: mapping.nodesOfAddress(tuple.remote),
      reason: decide({ ...tuple, role }, mapping, policyOf(config)).reason,
    }),
    pod: ({ remote }) => mapping.podOf(remote) ?? null,
  };
}
