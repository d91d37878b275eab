// SPDX-License-Identifier: Apache-2.0
/** `tlshub_load.node`: the engines (native/domain/load), each an epoll loop on a thread of its own. */
import { createRequire } from 'node:module';
import { builtFile } from '../files/package.js';

export interface ClientEngineOptions {
  /** numeric */
  targetIp: string;
  targetPort: number;
  /** local addresses to connect from; the next one is taken when the ports of one are used up. Empty: the system's choice */
  sourceIps: string[];
  /** bytes of a request, at least 1 */
  dataSize: number;
  requestsPerConnection: number;
  /** in all; 0: until durationSeconds */
  connections: number;
  /** open at once, at most */
  concurrency: number;
  /** connections a second by schedule; 0: as places become free */
  rate: number;
  /** after which no more begin; 0: no limit */
  durationSeconds: number;
  /** a connection stays open for so long after its last request */
  holdSeconds: number;
  /** without anything moving, after which a connection has failed */
  timeoutSeconds: number;
}

export interface ServerEngineOptions {
  listenIp: string;
  listenPort: number;
  /** after which it ends; 0: no limit */
  connections: number;
  durationSeconds: number;
}

export interface EngineStatus {
  /** what is taken after this was seen is complete */
  finished: boolean;
  begun: number;
  open: number;
  /** times that no local port (client) or no descriptor (server) was free, and one was waited for */
  waits: number;
  elapsedSeconds: number;
  /** that the server listens on */
  port: number;
  /** why the engine itself ended early; empty: it did not */
  error: string;
}

export interface NativeEngine {
  /** What has ended since the last call. The engine waits when nobody takes it (65,536 connections, 262,144 requests). */
  take(): { connections: Buffer; requests: BigInt64Array };
  status(): EngineStatus;
  /** No new connections; those under way have so long. */
  stop(graceSeconds: number): void;
  /** Ends at once. */
  close(): void;
}

interface LoadAddon {
  /** Begins at once. @throws Error with code TLSHUB_ADDRESS, or TLSHUB_SYS with the errno's number and the system call */
  Engine: {
    new (mode: 'client', options: ClientEngineOptions): NativeEngine;
    new (mode: 'server', options: ServerEngineOptions): NativeEngine;
  };
  /** To the hard limit; returns it. */
  raiseFileLimit(): number;
}

let addon: LoadAddon | undefined;

export function loadAddon(): LoadAddon {
  return (addon ??= createRequire(import.meta.url)(builtFile('native/tlshub_load.node')) as LoadAddon);
}
