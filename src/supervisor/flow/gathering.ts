/**
 * The unloaded flows as one reading of the kernel's list finds them.
 *
 * A long list is read in pieces, and between two of them events come: a flow of the table is unloaded whose record has gone by, one that was
 * found ends, a record is older than what events have said of its socket. So the table tells of what comes and goes while a reading goes on,
 * and at its end every flow that is then unloaded has been found, once, and no other.
 */
import type { SweepRecord, Traffic } from '../../shared/kernel/abi.js';
import type { Flow, FlowTable, TableWatcher } from './table.js';
import { isUnloaded, type UnloadedFlows } from './unloaded.js';

/** One of them; good until the call that it is handed to returns, but for what `restore` gives. */
export interface UnloadedFlow {
  readonly cookie: bigint;
  readonly traffic: Traffic | undefined;
  /** The flow as it was in the table. It costs more than the rest: for those who show flows. */
  restore(): Flow;
}

/** Whoever wants to know them. */
export interface Gatherer {
  /** Found: each once. */
  found(flow: UnloadedFlow): void;
  /** It has come back to the table: it is to be left out. */
  lost(cookie: bigint): void;
}

/** By its record. */
class ListedFlow implements UnloadedFlow {
  constructor(
    private readonly record: SweepRecord,
    private readonly unloaded: Pick<UnloadedFlows, 'restore'>,
  ) {}

  get cookie(): bigint {
    return this.record.cookie;
  }

  get traffic(): Traffic | undefined {
    return this.record.traffic;
  }

  restore(): Flow {
    const { secured } = this.record;
    if (secured === undefined) throw new TypeError('what does not remember how it was secured is not unloaded');
    return this.unloaded.restore(this.record, secured);
  }
}

export class Gathering implements TableWatcher {
  /** generations of those found, by cookie */
  private readonly known = new Map<bigint, number>();
  /** generations of the flows that were over in the table meanwhile, by cookie: it may have let them go by now */
  private readonly ended = new Map<bigint, number>();
  private foundOnList = 0;

  constructor(
    private readonly table: Pick<FlowTable, 'get'>,
    private readonly unloaded: Pick<UnloadedFlows, 'restore'>,
    private readonly gatherers: readonly Gatherer[],
  ) {}

  get count(): number {
    return this.known.size;
  }

  /** Those of them that the table did not let go during the reading. */
  get countOnList(): number {
    return this.foundOnList;
  }

  /** `known`: the record says nothing new, or what was true before events that have been heard. */
  take(record: SweepRecord): 'unloaded' | 'known' | 'other' {
    const { cookie, generation } = record;
    if (covers(this.known, cookie, generation) || covers(this.ended, cookie, generation)) return 'known';
    if (!isUnloaded(this.table, record)) return 'other';
    this.foundOnList++;
    this.find(cookie, generation, new ListedFlow(record, this.unloaded));
    return 'unloaded';
  }

  /** The table has let a secured flow go. */
  left(flow: Flow): void {
    const { cookie, traffic } = flow;
    this.find(cookie, flow.generation, { cookie, traffic, restore: () => flow });
  }

  /** The table has got a flow. */
  entered({ cookie, generation, secured }: Flow): void {
    const before = this.known.get(cookie);
    // An event that came so late that it was taken for a new flow's (Dispatcher.mistaken) changes nothing.
    if (before === undefined || before > generation || (before === generation && !secured)) return;
    this.known.delete(cookie);
    for (const gatherer of this.gatherers) gatherer.lost(cookie);
  }

  over({ cookie, generation }: Flow): void {
    this.ended.set(cookie, generation);
  }

  private find(cookie: bigint, generation: number, flow: UnloadedFlow): void {
    const again = this.known.has(cookie);
    this.known.set(cookie, generation);
    for (const gatherer of this.gatherers) {
      if (again) gatherer.lost(cookie);
      gatherer.found(flow);
    }
  }
}

function covers(generations: Map<bigint, number>, cookie: bigint, generation: number): boolean {
  const known = generations.get(cookie);
  return known !== undefined && known >= generation;
}
