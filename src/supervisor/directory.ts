/** What the mapping and the policy in force say about flows, as the dispatcher asks it. */
import { decide } from '../policy/index.js';
import type { Directory } from './dispatcher.js';
import type { Settings } from './settings.js';

export function directoryOf({ config, mapping }: Settings): Directory {
  return {
    peerNodes: ({ local, remote }, role) => {
      const { peerNodes, reason } = decide({ local, remote, role }, mapping, { policy: config.policy });
      return { nodes: peerNodes, reason };
    },
    pod: ({ remote }) => mapping.podOf(remote) ?? null,
  };
}
