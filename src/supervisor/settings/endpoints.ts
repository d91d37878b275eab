// SPDX-License-Identifier: Apache-2.0
/** Where other nodes' agents are, from where the configuration says. */
import type { Config } from '../../config/schema.js';
import { NodeEndpoints } from '../../mapping/node-endpoints.js';
import type { PodNodeMapping } from '../../mapping/pod-node-mapping.js';

/** @throws EndpointsError (exit status 78) that names file and line */
export function readEndpoints({ exchange, nodeEndpoints }: Config): NodeEndpoints | undefined {
  return exchange === 'channel' && nodeEndpoints !== '' ? NodeEndpoints.load(nodeEndpoints) : undefined;
}

/** Those of the file if there is one, else those that the mapping's source knows. */
export function endpointsBy(
  { exchange, nodeEndpoints }: Config,
  read: NodeEndpoints | undefined,
  mapping: PodNodeMapping,
): NodeEndpoints {
  if (exchange !== 'channel') return NodeEndpoints.none;
  return nodeEndpoints === '' ? NodeEndpoints.ofHosts(mapping.hosts()) : (read ?? NodeEndpoints.none);
}
