/** A provider that settles when the test says so. */
import type {
  Negotiation,
  NegotiationOutcome,
  NegotiationRequest,
  Provider,
  ProviderStats,
} from '../../src/supervisor/provider.js';

export interface Pending {
  request: NegotiationRequest;
  cancelled: boolean;
  settle(outcome: NegotiationOutcome): void;
}

export class FakeProvider implements Provider {
  readonly name = 'openssl';
  readonly kind = 'in-band';
  readonly pending: Pending[] = [];
  room = Infinity;
  private roomListener: () => void = () => undefined;

  negotiate(request: NegotiationRequest): Negotiation | undefined {
    if (this.room <= 0) return undefined;
    this.room--;
    let settle: Pending['settle'] = () => undefined;
    const outcome = new Promise<NegotiationOutcome>((resolve) => (settle = resolve));
    const pending: Pending = { request, cancelled: false, settle };
    this.pending.push(pending);
    return {
      outcome,
      cancel: () => {
        pending.cancelled = true;
      },
    };
  }

  onRoom(listener: () => void): void {
    this.roomListener = listener;
  }

  makeRoom(places: number): void {
    this.room = places;
    this.roomListener();
  }

  stats(): ProviderStats {
    const counts = { workers: 1, inFlight: 0, queued: 0, started: 0, succeeded: 0, failed: 0, full: 0, workersLost: 0 };
    return { name: this.name, library: undefined, ...counts };
  }

  close(): Promise<void> {
    this.pending.length = 0;
    return Promise.resolve();
  }
}
