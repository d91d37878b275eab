/** What all connections have moved, for /metrics: whoever may ask for that, it costs one reading of the kernel's list in a while. */
import type { UnloadedFlow } from '../supervisor/flow/gathering.js';
import type { ListReader, ListVisitor } from '../supervisor/flow/list-reader.js';
import type { FlowTable } from '../supervisor/flow/table.js';
import { SharedAnswer } from '../shared/async/shared-answer.js';
import type { Traffic } from '../shared/kernel/abi.js';
import type { FlowMetrics } from './flow-metrics.js';

export interface Moved {
  sent: number;
  received: number;
}

/** How old the numbers may be, in ms. */
const FRESH_MS = 1000;

/** @returns asks for them; rejects when the list cannot be read */
export function movedBytes(list: ListReader, flows: FlowMetrics, table: FlowTable): () => Promise<Moved> {
  const shared = new SharedAnswer(() => list.read(new MovedBytes(flows, table)), FRESH_MS);
  return () => shared.get();
}

/** Decodes nothing of a record but what it has moved. */
export class MovedBytes implements ListVisitor<Moved> {
  private readonly unloaded = new Map<bigint, Traffic>();
  private sent = 0;
  private received = 0;

  constructor(
    private readonly flows: FlowMetrics,
    private readonly table: FlowTable,
  ) {}

  found({ cookie, traffic }: UnloadedFlow): void {
    if (traffic === undefined) return;
    this.unloaded.set(cookie, traffic);
    this.sent += traffic.sent;
    this.received += traffic.received;
  }

  lost(cookie: bigint): void {
    const traffic = this.unloaded.get(cookie);
    if (traffic === undefined) return;
    this.unloaded.delete(cookie);
    this.sent -= traffic.sent;
    this.received -= traffic.received;
  }

  /** Together with those that ended: no connection is in both as of one moment. */
  done(): Moved {
    const { sent, received } = this.flows.bytes(this.table.live());
    return { sent: sent + this.sent, received: received + this.received };
  }
}
