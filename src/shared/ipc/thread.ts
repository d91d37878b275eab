// SPDX-License-Identifier: Apache-2.0
/** A thread that says that it is ready, then does what it is told, and whose end is a failure unless it was asked for. */
import type { Worker } from 'node:worker_threads';
import { TlshubError, fromWire } from '../errors/errors.js';
import type { ChannelNews, ThreadReport } from './messages.js';

export interface Thread {
  worker: Worker;
  ready: Extract<ThreadReport, { type: 'ready' }>;
  /** From now on its end is no failure. Resolves when it has ended. */
  expectEnd(): Promise<void>;
}

/** `give` is what it waits for, if it does. `onFailure` is called once if it ends later without being asked to, or says that it cannot go on. */
export async function untilReady(
  { worker, file, give }: { worker: Worker; file: string; give?: () => void },
  onFailure: (error: Error) => void,
): Promise<Thread> {
  let expected = false;
  let told: ((error: Error) => void) | undefined;
  const fail = (error: Error): void => {
    const tell = told;
    told = undefined;
    if (!expected) tell?.(error);
  };
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const ready = await new Promise<Thread['ready']>((resolve, reject) => {
    told = reject;
    // What else it tells is its owner's.
    worker.on('message', (report: ThreadReport | ChannelNews) => {
      if (report.type === 'ready') resolve(report);
      else if (report.type === 'failed') fail(fromWire(report.error));
    });
    worker.on('error', (error: Error) => fail(error));
    worker.on('exit', (code) => fail(new TlshubError('TLSHUB_INTERNAL', `the ${file} thread ended (status ${code})`)));
    give?.();
  });
  told = onFailure;
  return {
    worker,
    ready,
    expectEnd: () => {
      expected = true;
      return ended;
    },
  };
}
