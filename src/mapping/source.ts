// SPDX-License-Identifier: Apache-2.0
/**
 * Where a mapping comes from. Mappings are immutable values; a source gives one whenever it is asked, and tells of changes that it learns
 * of by itself.
 *
 * `read` is for whoever puts mappings in force (start and reload): it gives the mapping as the source has it now, whole and checked, or
 * says what is wrong, and changes nothing. `change` is for sources that follow something (a watched file, the Kubernetes API): it comes
 * only for changes that no `read` has returned, only when pods really differ, and never before the first `read`.
 */
import type { MappingDiff } from './diff.js';
import type { PodNodeMapping } from './pod-node-mapping.js';

export interface MappingChange {
  mapping: PodNodeMapping;
  previous: PodNodeMapping;
  /** what is different between them; never empty */
  diff: MappingDiff;
}

export interface MappingSourceEvents {
  change: [change: MappingChange];
  /** it could not follow; it goes on with the mapping that it has, and tries again by itself */
  problem: [error: Error];
}

export interface MappingSource {
  /** for logs and `tlshubctl status`, such as `file /etc/tlshub/pod_node_mapping.conf` */
  readonly description: string;
  /** @throws (rejects with) MappingError and its kin, which name what is wrong and where */
  read(): Promise<PodNodeMapping>;
  /** why the mapping may be out of date, in words; undefined: it is in step with what it follows */
  staleness?(): string | undefined;
  on<E extends keyof MappingSourceEvents>(event: E, listener: (...args: MappingSourceEvents[E]) => void): this;
  off<E extends keyof MappingSourceEvents>(event: E, listener: (...args: MappingSourceEvents[E]) => void): this;
  /** Ends what it follows. No event comes afterwards. */
  close(): Promise<void>;
}
