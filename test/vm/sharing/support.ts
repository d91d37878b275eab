// SPDX-License-Identifier: Apache-2.0
/** Where the tests of this group talk to. */
import { waitFor, lab, type MeshNode } from '../harness/index.js';
import type { DetailedFlowReport } from '../../../src/supervisor/flow/table.js';

export const A = '10.77.0.1';
export const B = '10.77.0.2';
/** Servers on this port are not captured (wire.ts): they see what is on the wire. */
export const RAW = 7900;
export const OUTSIDE = { outside: true } as const;
export const cgroup = (name: string): string => `/sys/fs/cgroup/tlshub-lab/${name}`;
export const pinnedMap = (node: MeshNode, map: string): string => `/sys/fs/bpf/tlshub-lab-${node}/maps/${map}`;

/** Long enough for anything that happens at all under emulation, in ms. */
export const PATIENCE = 20_000;

/** Waits until one of the node's flows, newest first, is as wanted. */
export function flowThat(
  node: MeshNode,
  what: string,
  wanted: (flow: DetailedFlowReport) => boolean,
): Promise<DetailedFlowReport> {
  return waitFor(
    async () => ((await lab.flows(node)) as DetailedFlowReport[]).reverse().find(wanted),
    PATIENCE,
    `a flow of node ${node}: ${what}`,
    100,
  );
}
