// SPDX-License-Identifier: Apache-2.0
/** What is different between two mappings, by pod and by service. */
import type { Pod, PodNodeMapping, Service } from './pod-node-mapping.js';

export interface MappingDiff {
  added: Pod[];
  removed: Pod[];
  /** on another node, or with other addresses */
  changed: { before: Pod; after: Pod }[];
  services: ServicesDiff;
}

export interface ServicesDiff {
  added: Service[];
  removed: Service[];
  /** other nodes are behind it, or it has other addresses */
  changed: { before: Service; after: Service }[];
}

export function diffMappings(before: PodNodeMapping, after: PodNodeMapping): MappingDiff {
  const diffing = diffSteps(before, after);
  for (;;) {
    const step = diffing.next();
    if (step.done === true) return step.value;
  }
}

/** As `diffMappings`, but lets the event loop turn in between. */
export async function diffMappingsGradually(before: PodNodeMapping, after: PodNodeMapping): Promise<MappingDiff> {
  const diffing = diffSteps(before, after);
  for (;;) {
    const step = diffing.next();
    if (step.done === true) return step.value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Pods that are compared before others have a turn. */
const PODS_AT_ONCE = 5000;

function* diffSteps(before: PodNodeMapping, after: PodNodeMapping): Generator<void, MappingDiff> {
  const diff: MappingDiff = { added: [], removed: [], changed: [], services: diffServices(before, after) };
  let compared = 0;
  for (const name of after.names()) {
    if (++compared % PODS_AT_ONCE === 0) yield;
    if (after.agreesOn(name, before)) continue;
    const [old, now] = [before.get(name), after.get(name)];
    if (now === undefined) continue;
    if (old === undefined) diff.added.push(now);
    else diff.changed.push({ before: old, after: now });
  }
  for (const name of before.names()) {
    if (++compared % PODS_AT_ONCE === 0) yield;
    if (after.nodeOf(name) !== undefined) continue;
    const old = before.get(name);
    if (old !== undefined) diff.removed.push(old);
  }
  return diff;
}

/** There are fewer of them than pods by far: in one go. */
function diffServices(before: PodNodeMapping, after: PodNodeMapping): ServicesDiff {
  const diff: ServicesDiff = { added: [], removed: [], changed: [] };
  for (const name of after.serviceNames()) {
    if (after.agreesOnService(name, before)) continue;
    const [old, now] = [before.service(name), after.service(name)];
    if (now === undefined) continue;
    if (old === undefined) diff.added.push(now);
    else diff.changed.push({ before: old, after: now });
  }
  for (const name of before.serviceNames()) {
    const old = after.service(name) === undefined ? before.service(name) : undefined;
    if (old !== undefined) diff.removed.push(old);
  }
  return diff;
}

export function isEmptyDiff({ services, ...pods }: MappingDiff): boolean {
  return [pods, services].every(({ added, removed, changed }) => added.length + removed.length + changed.length === 0);
}
