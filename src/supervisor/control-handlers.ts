// SPDX-License-Identifier: Apache-2.0
/** What the control socket's operations do. */
import { isPod, matchesFlow } from '../control/flow-query.js';
import type { ChannelReport } from '../report/channel.js';
import type { PodReport } from '../report/pod.js';
import type { StatusReport } from '../report/status.js';
import type { ControlHandlers } from '../control/protocol.js';
import type { MetricsRegistry } from '../metrics/registry.js';
import { NotFoundError } from '../shared/errors/errors.js';
import { testHooks } from '../shared/ipc/test-hooks.js';
import type { Dispatcher } from './flow/dispatcher.js';
import type { ListReader } from './flow/list-reader.js';
import { FlowListing } from './flow/listing.js';
import type { ProviderSwitch } from './provider/switch.js';
import { knownProvider } from './provider/known.js';
import type { Reloader } from './settings/reload.js';
import type { InForce } from './settings/in-force.js';

export interface ControlParts {
  inForce: InForce;
  dispatcher: Dispatcher;
  provider: ProviderSwitch;
  reloader: Reloader;
  metrics: MetricsRegistry;
  status: () => StatusReport;
  channels: () => ChannelReport[];
  list: ListReader;
}

export function controlHandlers({
  inForce,
  dispatcher,
  provider,
  reloader,
  metrics,
  status,
  channels,
  list,
}: ControlParts): ControlHandlers {
  return {
    status: () => Promise.resolve(status()),
    metrics: async () => ({ text: await metrics.text(), families: await metrics.families() }),
    flows: (query) => list.read(new FlowListing(dispatcher.table, (flow) => matchesFlow(flow, query))),
    channels: () => Promise.resolve(channels()),
    'mapping.list': () => Promise.resolve([...inForce.mapping.pods()]),
    'mapping.get': ({ pod }) => Promise.resolve().then(() => podOf(inForce, pod)),
    'mode.get': () => Promise.resolve({ mode: provider.name }),
    'mode.set': ({ mode }) => reloader.setMode(knownProvider(mode)),
    reload: () => reloader.reload(),
    ...(testHooks() && {
      'test.break-worker': ({ fault }) => Promise.resolve({ done: provider.breakWorker(fault) }),
    }),
  };
}

/** By its whole name, or by the part after the namespace where that names one pod only. */
function podOf({ mapping, config }: InForce, name: string): PodReport {
  const exact = mapping.get(name);
  if (exact !== undefined) return exact;
  const [only, other] = [...mapping.names()].filter((pod) => isPod(pod, name));
  const found = only === undefined ? undefined : mapping.get(only);
  if (found === undefined) {
    const where = config.podSource === 'file' ? config.podNodeConfig : 'the Pods of the cluster';
    throw new NotFoundError(`pod ${name} is not in ${where}`);
  }
  if (other !== undefined) throw new NotFoundError(`there are several pods ${name}, such as ${found.pod} and ${other}`);
  return found;
}
