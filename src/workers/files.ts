// SPDX-License-Identifier: Apache-2.0
/** Where the file of a thread is. */
import { pathToFileURL } from 'node:url';
import { builtFile } from '../shared/files/package.js';

/** `pool-thread` is piscina's own. */
export type WorkerName =
  'event-reader' | 'installer' | 'negotiator' | 'tlshub-negotiator' | 'channel-host' | 'pool-thread';

/** In the tests' build/ threads are beside this file; in dist/ this file is a part of the program's, and they are in dist/workers. */
export function workerFile(name: WorkerName): URL {
  if (import.meta.url.endsWith('/workers/files.js')) return new URL(`./${name}.js`, import.meta.url);
  return pathToFileURL(builtFile(`workers/${name}.js`));
}
