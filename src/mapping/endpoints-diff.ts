// SPDX-License-Identifier: Apache-2.0
/** What is different between two lists of endpoints, for a reload: whose channels have to be made anew, and one line each for the log. */
import { formatEndpoint, type Endpoint, type NodeEndpoints } from './node-endpoints.js';

export interface EndpointChange {
  node: string;
  /** undefined: there was, or is, none */
  before: Endpoint | undefined;
  after: Endpoint | undefined;
}

/** By node, in the order of the new list; then those that are gone. */
export function diffEndpoints(before: NodeEndpoints, after: NodeEndpoints): EndpointChange[] {
  const changes: EndpointChange[] = [];
  for (const node of after.nodes()) {
    const [old, now] = [before.of(node), after.of(node)];
    if (now === undefined || (old?.address === now.address && old.port === now.port)) continue;
    changes.push({ node, before: old, after: now });
  }
  for (const node of before.nodes()) {
    if (after.of(node) === undefined) changes.push({ node, before: before.of(node), after: undefined });
  }
  return changes;
}

/** So many lines about nodes; the rest is counted. */
const MAX_LINES = 50;

export function endpointLines(changes: readonly EndpointChange[]): string[] {
  const lines = changes.slice(0, MAX_LINES).map(({ node, before, after }) => {
    if (after === undefined) return `endpoints: node ${node} is gone: it is reached in-band`;
    if (before === undefined) return `endpoints: node ${node} is new, at ${formatEndpoint(after)}`;
    return `endpoints: node ${node} is now at ${formatEndpoint(after)}, before at ${formatEndpoint(before)}`;
  });
  if (changes.length > lines.length) lines.push(`endpoints: and ${changes.length - lines.length} more nodes`);
  return lines;
}
