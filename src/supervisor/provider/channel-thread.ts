// SPDX-License-Identifier: Apache-2.0
/**
 * The thread of channels, as main has it. It can be lost without harm: then there are no new epochs, and connections are secured in-band.
 */
import { Worker } from 'node:worker_threads';
import type { ChannelCommand, ChannelNews } from '../../shared/ipc/messages.js';
import { untilReady } from '../../shared/ipc/thread.js';
import type { TlsLibrary } from '../../shared/kernel/words.js';
import type { ChannelHostData } from '../../workers/channel-host.js';
import { workerFile } from '../../workers/files.js';

export interface ChannelThreadOptions {
  library: TlsLibrary;
  onNews: (news: ChannelNews) => void;
  /** Called once if it ends without being asked to: all its sessions are gone, and nothing is heard of them any more. */
  onFailure: (error: Error) => void;
}

export interface ChannelThread {
  /** Does nothing once the thread is gone. */
  send(command: Exclude<ChannelCommand, { type: 'stop' }>): void;
  /** Peers are told; resolves when the thread has ended, after about a second at most. */
  stop(): Promise<void>;
}

/** Longer than the words to peers may take, in ms. */
const STOP_MS = 3000;

/** @throws the thread's error if it does not come up */
export async function startChannelThread({ library, onNews, onFailure }: ChannelThreadOptions): Promise<ChannelThread> {
  const file = 'channel-host';
  const worker = new Worker(workerFile(file), { workerData: { library } satisfies ChannelHostData });
  // Ready: the library is loaded.
  const thread = await untilReady({ worker, file }, onFailure);
  worker.on('message', onNews);
  return {
    send: (command) => worker.postMessage(command),
    stop: async () => {
      const ended = thread.expectEnd();
      worker.postMessage({ type: 'stop' } satisfies ChannelCommand);
      const late = setTimeout(() => void worker.terminate(), STOP_MS);
      await ended;
      clearTimeout(late);
    },
  };
}
