// SPDX-License-Identifier: Apache-2.0
/** Which thread of a pool gets a task, as a pure function; and how it is told what the task is for. */
import { Piscina } from 'piscina';

interface Worker {
  readonly id: number;
  /** tasks that it has */
  readonly currentUsage: number;
}

export interface WorkerRules {
  /** the id of the worker that it must be; anything else: any. One that has died since does not keep the queue waiting: then any will do */
  wanted: unknown;
  /** tasks at once, at most */
  perWorker: number;
  /** it has said hello, and has not gone */
  isUp: (id: number) => boolean;
}

/** The least busy; null: none has room. */
export function chooseWorker<W extends Worker>(
  workers: readonly W[],
  { wanted, perWorker, isUp }: WorkerRules,
): W | null {
  const asked = workers.find(({ id }) => id === wanted);
  let best: W | null = null;
  for (const worker of asked === undefined ? workers : [asked]) {
    if (!isUp(worker.id) || worker.currentUsage >= (best?.currentUsage ?? perWorker)) continue;
    best = worker;
  }
  return best;
}

/** Names the purpose under a symbol: for the balancer's eyes, not for the worker's (structured clone leaves it out). */
export function forPurpose<Task extends object>(task: Task, purpose: unknown): Task {
  return Object.assign(task, { [Piscina.queueOptionsSymbol]: purpose });
}
