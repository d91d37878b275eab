// SPDX-License-Identifier: Apache-2.0
/** A provider that settles when the test says so. */
import type {
  Negotiation,
  NegotiationOutcome,
  NegotiationRequest,
  Provider,
  ProviderName,
  ProviderStats,
} from '../../src/supervisor/provider/provider.js';

export interface Pending {
  request: NegotiationRequest;
  cancelled: boolean;
  settle(outcome: NegotiationOutcome): void;
}

export class FakeProvider implements Provider {
  readonly kind = 'in-band';
  closed = false;
  readonly pending: Pending[] = [];
  room = Infinity;
  /** whom it turns away though it has room */
  shut: (request: NegotiationRequest) => boolean = () => false;
  private begun = 0;
  private roomListener: () => void = () => undefined;

  constructor(readonly name: ProviderName = 'openssl') {}

  negotiate(request: NegotiationRequest): Negotiation | undefined {
    if (this.room <= 0 || this.shut(request)) return undefined;
    this.room--;
    let settle: Pending['settle'] = () => undefined;
    const outcome = new Promise<NegotiationOutcome>((resolve) => (settle = resolve));
    const pending: Pending = { request, cancelled: false, settle };
    this.pending.push(pending);
    this.begun++;
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
    const counts = {
      workers: 1,
      inFlight: this.pending.length,
      queued: 0,
      started: this.begun,
      succeeded: 0,
      resumed: 0,
      failed: 0,
      full: 0,
      workersLost: 0,
    };
    return { name: this.name, library: undefined, ...counts };
  }

  rest(): Promise<number> {
    return Promise.resolve(1);
  }

  breakWorker(): boolean {
    return false;
  }

  close(): Promise<void> {
    this.closed = true;
    this.pending.length = 0;
    return Promise.resolve();
  }
}
