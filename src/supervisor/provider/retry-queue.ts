/** Flows that wait for room in the provider's pool, oldest first. */
import type { Flow } from '../flow/table.js';

export class Parking {
  private flows = new Set<Flow>();

  add(flow: Flow): void {
    this.flows.add(flow);
  }

  delete(flow: Flow): void {
    this.flows.delete(flow);
  }

  clear(): void {
    this.flows.clear();
  }

  /**
   * There is room again. Those that are turned away again keep their turn, and stand for all others of their peer's: the provider gives
   * shares, not one queue.
   * @param ask lets the flow ask once more; it is parked again if it is turned away
   */
  room(ask: (flow: Flow) => void): void {
    const parked = [...this.flows];
    const turnedAway = new Set<string>();
    for (const flow of parked) {
      const peer = `${flow.role} ${flow.peerNodes.join(' ')} ${Buffer.from(flow.tuple.remote).toString('latin1')}`;
      if (turnedAway.has(peer)) continue;
      ask(flow);
      if (flow.machine.phase === 'parked') turnedAway.add(peer);
    }
    this.flows = new Set(parked.filter((flow) => flow.machine.phase === 'parked'));
  }
}
