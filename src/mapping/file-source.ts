// SPDX-License-Identifier: Apache-2.0
/** A mapping from a file: `pod_name node_name [address-or-CIDR ...]`, one pod a line. */
import { EventEmitter } from 'node:events';
import { statSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import { diffMappings, isEmptyDiff } from './diff.js';
import { PodNodeMapping } from './pod-node-mapping.js';
import type { MappingSource, MappingSourceEvents } from './source.js';

export interface FileMappingOptions {
  /** tell of changes of the file, instead of looking at it only when asked */
  watch?: boolean;
}

/** A file is often written in several steps: it is read when it has been left alone for this long, in ms. */
const SETTLE_MS = 50;

export class FileMappingSource extends EventEmitter<MappingSourceEvents> implements MappingSource {
  readonly description: string;
  #last: PodNodeMapping | undefined;
  #watcher: FSWatcher | undefined;
  #settling: NodeJS.Timeout | undefined;
  #seen = '';

  constructor(
    readonly file: string,
    private readonly options: FileMappingOptions = {},
  ) {
    super();
    this.description = `file ${file}`;
  }

  async read(): Promise<PodNodeMapping> {
    // Before reading: what changes in the meantime is then a change that is still to come.
    const seen = this.#stamp();
    if (this.options.watch === true) this.#watcher ??= this.#watch();
    const mapping = await PodNodeMapping.loadGradually(this.file);
    this.#seen = seen;
    return (this.#last = mapping);
  }

  close(): Promise<void> {
    clearTimeout(this.#settling);
    this.#watcher?.close();
    this.removeAllListeners();
    return Promise.resolve();
  }

  /** The folder is watched, not the file: editors and Kubernetes' ConfigMaps put another file in its place. */
  #watch(): FSWatcher {
    const watcher = watch(dirname(this.file), { persistent: false }, () => {
      clearTimeout(this.#settling);
      this.#settling = setTimeout(() => void this.#look(), SETTLE_MS);
    });
    watcher.on('error', (error) => this.emit('problem', error));
    return watcher;
  }

  async #look(): Promise<void> {
    const previous = this.#last;
    if (previous === undefined || this.#stamp() === this.#seen) return;
    try {
      const mapping = await this.read();
      const diff = diffMappings(previous, mapping);
      if (!isEmptyDiff(diff)) this.emit('change', { mapping, previous, diff });
    } catch (error) {
      this.#seen = this.#stamp();
      this.emit('problem', error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** What tells one state of the file from another, '' if it is not there. */
  #stamp(): string {
    const stat = statSync(this.file, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? '' : `${basename(this.file)} ${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
  }
}
