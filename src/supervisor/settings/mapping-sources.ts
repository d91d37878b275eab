// SPDX-License-Identifier: Apache-2.0
/** Which source the mapping comes from, by the configuration. A source that goes on as it is stays open over a reload. */
import type { Config } from '../../config/schema.js';
import type { Logger } from '../../logging/logger.js';
import { diffMappings } from '../../mapping/diff.js';
import type { PodNodeMapping } from '../../mapping/pod-node-mapping.js';
import type { MappingChange, MappingSource } from '../../mapping/source.js';
import { configuredSource } from './mapping-source.js';

/** Names a source: the same text, the same source. */
function keyOf(config: Config): string {
  return config.podSource === 'file' ? `file ${config.podNodeConfig}` : JSON.stringify(config.kubernetes);
}

/** A mapping that was read and is not in force yet. One of the two must be called, once. */
export interface PreparedMapping {
  mapping: PodNodeMapping;
  /** its source is the one to follow from now on; the one before is closed */
  commit: () => void;
  /** nothing comes of it */
  discard: () => void;
}

/** What the source in force tells of by itself. */
export type ChangeListener = (change: MappingChange) => void;

export class MappingSources {
  private present: { key: string; source: MappingSource } | undefined;
  private listener: ChangeListener = () => undefined;
  /** what was given last to whoever puts it in force */
  private inForce: PodNodeMapping | undefined;

  constructor(private readonly log: Logger) {}

  /** of the source in force */
  get description(): string {
    return this.present?.source.description ?? '';
  }

  /** Why the mapping may be out of date, in words; undefined: it is not. */
  staleness(): string | undefined {
    return this.present?.source.staleness?.();
  }

  onChange(listener: ChangeListener): void {
    this.listener = listener;
  }

  /** @throws (rejects with) what the source says is wrong */
  async prepare(config: Config): Promise<PreparedMapping> {
    const { present } = this;
    const key = keyOf(config);
    if (present?.key === key) {
      const mapping = await present.source.read();
      return {
        mapping,
        commit: () => void (this.inForce = mapping),
        discard: () => {
          if (config.podSource !== 'file') this.tellAnyway(mapping);
        },
      };
    }
    const source = configuredSource(config);
    source.on('problem', (error) => this.log.warning(`the mapping stays as it is: ${source.description}`, { error }));
    // What it tells of before it is in force is told when it is.
    let early: MappingChange | undefined;
    const remember = (change: MappingChange): void => void (early = change);
    source.on('change', remember);
    try {
      const mapping = await source.read();
      return {
        mapping,
        commit: () => {
          void this.close();
          this.present = { key, source };
          this.inForce = mapping;
          source.off('change', remember);
          source.on('change', (change) => this.tell(change));
          if (early !== undefined) this.tell(early);
        },
        discard: () => void source.close(),
      };
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  private tell(change: MappingChange): void {
    this.inForce = change.mapping;
    this.listener(change);
  }

  /** What a source that follows a cluster has given is the cluster's state, whatever was wrong with the rest of a reload. */
  private tellAnyway(mapping: PodNodeMapping): void {
    const previous = this.inForce;
    if (previous === undefined || previous === mapping) return;
    this.tell({ mapping, previous, diff: diffMappings(previous, mapping) });
  }

  async close(): Promise<void> {
    const { present } = this;
    this.present = undefined;
    await present?.source.close();
  }
}
