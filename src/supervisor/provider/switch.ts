// SPDX-License-Identifier: Apache-2.0
/**
 * The provider in force, and those that still finish what they began. To the dispatcher it is one provider.
 *
 * A change (another provider, or the same one with other settings) starts the new provider first, with all its threads. If that fails the
 * old one stays in force and nothing has happened. Between the preparation and the change itself the caller has time to prepare other
 * things, and may still give up. From the moment of the change every new negotiation is the new one's; the old one keeps what it has, also
 * what waits in its queue, and is closed when that is done. Flows that found the old one full ask the new one at once.
 */
import { createHash } from 'node:crypto';
import type { Logger } from '../../logging/logger.js';
import type { Fault } from '../../shared/ipc/messages.js';
import { drain } from '../../shared/async/drain.js';
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

/** A provider with its settings, before it is made. */
export interface ProviderPlan {
  readonly name: ProviderName;
  /** two plans with the same key would make the same provider: see planKey */
  readonly key: string;
  /**
   * Resolves when all its threads are up. `onFatal`: it cannot go on. `strict`: also rejects when it would come up but peers would refuse
   * it; at a change there is something better to go on with.
   */
  create(onFatal: (error: Error) => void, strict: boolean): Promise<Provider>;
}

/**
 * One text for all that a provider is made from. Hashed, since there are private keys in it and keys are compared and kept. What is shared
 * memory is the same for every provider of this process.
 */
export function planKey(...parts: unknown[]): string {
  const text = JSON.stringify(parts, (_, value: unknown) => (value instanceof SharedArrayBuffer ? null : value));
  return createHash('sha256').update(text).digest('hex');
}

/** A change that is ready. One of the two must be called, once; until then no other change begins. */
export interface PreparedProvider {
  commit(): SwitchResult;
  discard(): Promise<void>;
}

export interface ProviderSwitchOptions {
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
  private key: string;
  private queue: Promise<unknown> = Promise.resolve();
  private closing = false;
  private roomListener: () => void = () => undefined;
  private switchListener: () => void = () => undefined;

  private constructor(
    private readonly options: ProviderSwitchOptions,
    first: Provider,
    key: string,
  ) {
    this.current = first;
    this.key = key;
    first.onRoom(() => this.room(first));
  }

  /** @throws what the plan's `create` throws */
  static async start(plan: ProviderPlan, options: ProviderSwitchOptions): Promise<ProviderSwitch> {
    const created: { instance?: ProviderSwitch } = {};
    const first = await plan.create((error) => {
      if (created.instance === undefined) options.onFatal(error);
      else created.instance.died(first, error);
    }, false);
    created.instance = new ProviderSwitch(options, first, plan.key);
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
   * Puts another provider in force; changes asked for at the same time follow one another. Without effect if it is in force already.
   * @throws what the plan's `create` throws; then the old provider is still in force
   */
  async use(plan: ProviderPlan): Promise<SwitchResult> {
    return (await this.prepare(plan)).commit();
  }

  /**
   * Makes everything ready for `use`, and waits with the change itself.
   * @throws what the plan's `create` throws; then nothing has happened
   */
  async prepare(plan: ProviderPlan): Promise<PreparedProvider> {
    const release = await this.turn();
    const previous = this.current.name;
    // close() waits for its turn, and then closes whichever is in force.
    if (this.closing || plan.key === this.key) {
      return {
        commit: () => {
          release();
          return { mode: this.current.name, previous };
        },
        discard: () => {
          release();
          return Promise.resolve();
        },
      };
    }
    try {
      const next: Provider = await plan.create((error) => this.died(next, error), true);
      return {
        commit: () => {
          this.change(next, plan.key);
          release();
          return { mode: next.name, previous };
        },
        discard: async () => {
          release();
          await next.close();
        },
      };
    } catch (error) {
      release();
      throw error;
    }
  }

  stats(): ProviderStats {
    return this.current.stats();
  }

  rest(): Promise<number> {
    return this.current.rest();
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
    const release = await this.turn();
    release();
    await Promise.all([this.current.close(), ...[...this.retiring.keys()].map((provider) => provider.close())]);
    await Promise.all(this.retiring.values());
  }

  /** Waits until no change is under way. The next one begins when what this gives is called. */
  private async turn(): Promise<() => void> {
    const before = this.queue;
    let release: () => void = () => undefined;
    this.queue = new Promise<void>((resolve) => (release = resolve));
    await before;
    return release;
  }

  private change(next: Provider, key: string): void {
    const old = this.current;
    next.onRoom(() => this.room(next));
    this.current = next;
    this.key = key;
    this.switchListener();
    this.retiring.set(old, this.retire(old));
    this.options.log.info(
      next.name === old.name ? `${next.name} has new settings` : `keys are now made by ${next.name}`,
      { previous: old.name },
    );
    this.roomListener();
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
