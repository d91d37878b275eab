/**
 * The provider in force, and those that still finish what they began. To the dispatcher it is one provider.
 *
 * A switch starts the new provider first, with all its threads. If that fails the old one stays in force and nothing has happened. From
 * the moment of the switch every new negotiation is the new one's; the old one keeps what it has, also what waits in its queue, and is
 * closed when that is done. Flows that found the old one full ask the new one at once.
 */
import type { Logger } from '../logging/index.js';
import type { Fault } from '../shared/messages.js';
import { drain } from './drain.js';
import type { Negotiation, NegotiationRequest, Provider, ProviderName, ProviderStats } from './provider.js';

/** `draining`: finishes what it began. `closed`: its threads are gone; the counters are of its lives so far. */
export type ProviderState = 'active' | 'draining' | 'closed';

export interface ProviderReport extends ProviderStats {
  state: ProviderState;
}

export interface SwitchResult {
  mode: ProviderName;
  previous: ProviderName;
}

export interface ProviderSwitchOptions {
  /** Resolves when all its threads are up. `onFatal`: it cannot go on. */
  create(name: ProviderName, onFatal: (error: Error) => void): Promise<Provider>;
  /** for an old provider to finish what it began, in ms; longer than any negotiation's deadline */
  retireMs(): number;
  /** the provider in force cannot go on */
  onFatal(error: Error): void;
  log: Logger;
}

const IDLE_LOOK_MS = 20;

type Totals = Pick<ProviderStats, 'started' | 'succeeded' | 'resumed' | 'failed' | 'full' | 'workersLost'>;

export class ProviderSwitch implements Provider {
  private readonly retiring = new Map<Provider, Promise<void>>();
  /** last words of providers that are closed, counters added up */
  private readonly past = new Map<ProviderName, ProviderStats>();
  private current: Provider;
  private queue: Promise<unknown> = Promise.resolve();
  private closing = false;
  private roomListener: () => void = () => undefined;
  private switchListener: () => void = () => undefined;

  private constructor(
    private readonly options: ProviderSwitchOptions,
    first: Provider,
  ) {
    this.current = first;
    first.onRoom(() => this.room(first));
  }

  /** @throws what `create` throws */
  static async start(name: ProviderName, options: ProviderSwitchOptions): Promise<ProviderSwitch> {
    const created: { instance?: ProviderSwitch } = {};
    const first = await options.create(name, (error) => {
      if (created.instance === undefined) options.onFatal(error);
      else created.instance.died(first, error);
    });
    created.instance = new ProviderSwitch(options, first);
    return created.instance;
  }

  get name(): ProviderName {
    return this.current.name;
  }

  get kind(): Provider['kind'] {
    return this.current.kind;
  }

  negotiate(request: NegotiationRequest): Negotiation | undefined {
    return this.current.negotiate(request);
  }

  onRoom(listener: () => void): void {
    this.roomListener = listener;
  }

  /** Called as soon as another one is in force. */
  onSwitch(listener: () => void): void {
    this.switchListener = listener;
  }

  /**
   * Puts another provider in force; switches asked for at the same time follow one another. Without effect if it is in force already.
   * @throws what `create` throws; then the old provider is still in force
   */
  use(name: ProviderName): Promise<SwitchResult> {
    const done = this.queue.then(() => this.change(name));
    this.queue = done.catch(() => undefined);
    return done;
  }

  stats(): ProviderStats {
    return this.current.stats();
  }

  breakWorker(fault: Fault): boolean {
    return this.current.breakWorker(fault);
  }

  /** Every provider that was ever in force, the present one first, each with all its lives added up. */
  reports(): ProviderReport[] {
    const reports = new Map<ProviderName, ProviderReport>();
    const live = [this.current, ...this.retiring.keys()];
    for (const provider of live) {
      const stats = provider.stats();
      const known = reports.get(stats.name);
      const state = provider === this.current ? 'active' : 'draining';
      reports.set(stats.name, known === undefined ? { ...stats, state } : { ...sum(known, stats), state: known.state });
    }
    for (const stats of this.past.values()) {
      const known = reports.get(stats.name);
      if (known === undefined) reports.set(stats.name, { ...stats, state: 'closed' });
      else reports.set(stats.name, { ...known, ...totals(known, stats) });
    }
    return [...reports.values()];
  }

  async close(): Promise<void> {
    this.closing = true;
    await this.queue;
    await Promise.all([this.current.close(), ...[...this.retiring.keys()].map((provider) => provider.close())]);
    await Promise.all(this.retiring.values());
  }

  private async change(name: ProviderName): Promise<SwitchResult> {
    const old = this.current;
    // close() waits for this, and then closes whichever is in force.
    if (this.closing || name === old.name) return { mode: old.name, previous: old.name };
    const next: Provider = await this.options.create(name, (error) => this.died(next, error));
    next.onRoom(() => this.room(next));
    this.current = next;
    this.switchListener();
    this.retiring.set(old, this.retire(old));
    this.options.log.info(`keys are now made by ${next.name}`, { previous: old.name });
    this.roomListener();
    return { mode: next.name, previous: old.name };
  }

  private async retire(provider: Provider): Promise<void> {
    const outcome = await drain(
      {
        name: provider.name,
        stop: () => undefined,
        idle: () => this.idle(provider),
        force: () => undefined, // close() settles the rest as failures
      },
      this.options.retireMs(),
    );
    await provider.close();
    const known = this.past.get(provider.name);
    const stats = { ...provider.stats(), workers: 0, inFlight: 0, queued: 0 };
    this.past.set(provider.name, known === undefined ? stats : sum(known, stats));
    this.retiring.delete(provider);
    this.options.log.info(`the old provider ${provider.name} is closed`, {
      ms: Math.round(outcome.ms),
      forced: outcome.forced,
    });
  }

  private async idle(provider: Provider): Promise<void> {
    for (;;) {
      const { inFlight, queued } = provider.stats();
      if (this.closing || inFlight + queued === 0) return;
      await new Promise((resolve) => setTimeout(resolve, IDLE_LOOK_MS));
    }
  }

  private room(provider: Provider): void {
    if (provider === this.current) this.roomListener();
  }

  private died(provider: Provider, error: Error): void {
    if (provider === this.current) {
      this.options.onFatal(error);
      return;
    }
    this.options.log.error(`the old provider ${provider.name} cannot finish what it began`, { error });
    void provider.close();
  }
}

function totals(a: Totals, b: Totals): Totals {
  return {
    started: a.started + b.started,
    succeeded: a.succeeded + b.succeeded,
    resumed: a.resumed + b.resumed,
    failed: a.failed + b.failed,
    full: a.full + b.full,
    workersLost: a.workersLost + b.workersLost,
  };
}

function sum(a: ProviderStats, b: ProviderStats): ProviderStats {
  return {
    ...a,
    ...totals(a, b),
    workers: a.workers + b.workers,
    inFlight: a.inFlight + b.inFlight,
    queued: a.queued + b.queued,
  };
}
