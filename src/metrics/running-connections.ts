/** The connections for a metrics report: those of the table, and the unloaded ones as the kernel's list has them. */
import type { UnloadedFlow } from '../supervisor/flow/gathering.js';
import type { ListVisitor } from '../supervisor/flow/list-reader.js';
import type { FlowTable } from '../supervisor/flow/table.js';
import { monotonicNs } from '../shared/kernel/clock.js';
import { recordOf, type ConnectionRecord } from './connection-record.js';
import type { FlowMetrics, FlowMetricsReport } from './flow-metrics.js';

export class RunningConnections implements ListVisitor<FlowMetricsReport> {
  private readonly unloaded = new Map<bigint, ConnectionRecord>();

  constructor(
    private readonly flows: FlowMetrics,
    private readonly table: FlowTable,
  ) {}

  found(flow: UnloadedFlow): void {
    this.unloaded.set(flow.cookie, recordOf(flow.restore(), monotonicNs()));
  }

  lost(cookie: bigint): void {
    this.unloaded.delete(cookie);
  }

  done(): FlowMetricsReport {
    return this.flows.report(this.table.live(), monotonicNs(), [...this.unloaded.values()]);
  }
}
