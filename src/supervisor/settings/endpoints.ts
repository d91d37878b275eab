// SPDX-License-Identifier: Apache-2.0
/** Where other nodes' agents are, from where the configuration says. */
import type { Config } from '../../config/schema.js';
import { NodeEndpoints } from '../../mapping/node-endpoints.js';

/** @throws EndpointsError (exit status 78) that names file and line */
export function readEndpoints({ exchange, nodeEndpoints }: Config): NodeEndpoints {
  return exchange === 'channel' && nodeEndpoints !== '' ? NodeEndpoints.load(nodeEndpoints) : NodeEndpoints.none;
}
