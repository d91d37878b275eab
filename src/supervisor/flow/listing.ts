/** What `tlshubctl flows` shows: live flows, and those that are over and still kept. */
import type { UnloadedFlow } from './gathering.js';
import type { ListVisitor } from './list-reader.js';
import { reportOf, type DetailedFlowReport, type FlowTable } from './table.js';

export class FlowListing implements ListVisitor<DetailedFlowReport[]> {
  private readonly unloaded = new Map<bigint, DetailedFlowReport>();

  /** @param wanted only these; the others need not be kept until the list is read */
  constructor(
    private readonly table: FlowTable,
    private readonly wanted: (report: DetailedFlowReport) => boolean = () => true,
  ) {}

  found(flow: UnloadedFlow): void {
    const report = reportOf(flow.restore());
    if (this.wanted(report)) this.unloaded.set(flow.cookie, report);
  }

  lost(cookie: bigint): void {
    this.unloaded.delete(cookie);
  }

  done(): DetailedFlowReport[] {
    return [...this.unloaded.values(), ...Array.from(this.table.all(), reportOf).filter(this.wanted)];
  }
}
