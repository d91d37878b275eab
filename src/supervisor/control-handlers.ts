/** What the control socket's operations do. */
import type { ControlHandlers, StatusReport } from '../control/index.js';
import type { MetricsRegistry } from '../metrics/index.js';
import { NotFoundError } from '../shared/errors.js';
import { testHooks } from '../shared/test-hooks.js';
import type { Dispatcher } from './dispatcher.js';
import type { ProviderSwitch } from './provider-switch.js';
import { knownProvider } from './providers.js';
import type { InForce } from './settings.js';

export interface ControlParts {
  inForce: InForce;
  dispatcher: Dispatcher;
  provider: ProviderSwitch;
  metrics: MetricsRegistry;
  status: () => StatusReport;
}

export function controlHandlers({ inForce, dispatcher, provider, metrics, status }: ControlParts): ControlHandlers {
  return {
    status: () => Promise.resolve(status()),
    metrics: async () => ({ text: await metrics.text(), families: await metrics.families() }),
    flows: () => Promise.resolve(dispatcher.reports()),
    'mapping.list': () => Promise.resolve([...inForce.mapping.pods()]),
    'mapping.get': ({ pod }) => {
      const found = inForce.mapping.get(pod);
      if (found !== undefined) return Promise.resolve(found);
      return Promise.reject(new NotFoundError(`pod ${pod} is not in ${inForce.config.podNodeConfig}`));
    },
    'mode.get': () => Promise.resolve({ mode: provider.name }),
    'mode.set': async ({ mode }) => provider.use(knownProvider(mode)),
    ...(testHooks() && {
      'test.break-worker': ({ fault }) => Promise.resolve({ done: provider.breakWorker(fault) }),
    }),
  };
}
