// SPDX-License-Identifier: Apache-2.0
/** What is looked after every few seconds, beside the kernel's list of flows. */
import type { Logger } from '../logging/logger.js';
import type { ProblemReport } from '../report/problem.js';
import type { KernelAddon } from '../shared/kernel/kernel-addon.js';
import type { Scope } from './gate/cgroups.js';
import { IdleCollection, collectEverywhere } from './idle-collection.js';
import { ProblemLog } from './problem-log.js';
import type { Provider } from './provider/provider.js';
import { wipeForgotten } from './secret-memory.js';
import { CredentialsWatch } from './settings/credentials-watch.js';
import type { InForce } from './settings/in-force.js';
import type { Reloader } from './settings/reload.js';
import type { EventReader, Installer } from './threads.js';

export interface HousekeepingParts {
  addon: Pick<KernelAddon, 'trimMemory' | 'expireSecrets'>;
  scope: Pick<Scope, 'look'>;
  provider: Pick<Provider, 'rest'>;
  installer: Pick<Installer, 'rest'>;
  reader: Pick<EventReader, 'rest' | 'counts'>;
  log: Logger;
}

/** Cgroups that have come or gone, memory of an agent at rest, secrets that nobody took. @returns what is to be called */
export function housekeeping(parts: HousekeepingParts): () => void {
  const { addon, scope, provider, installer, reader, log } = parts;
  const idle = new IdleCollection({
    collect: () => collectEverywhere({ provider, threads: [installer, reader], addon, log }),
    trim: () => addon.trimMemory(),
  });
  return () => {
    scope.look();
    idle.look(reader.counts().records, performance.now());
    wipeForgotten(addon, log);
  };
}

export interface LookAfterParts {
  reloader: Pick<Reloader, 'credentialsChanged'>;
  inForce: InForce;
  problems: () => readonly ProblemReport[];
  log: Logger;
}

/** Certificates that were renewed, and what is amiss: said at once and from now on. @returns what is to be called */
export function lookAfter({ reloader, inForce, problems, log }: LookAfterParts): (() => void)[] {
  const credentials = new CredentialsWatch(() => inForce.config);
  const told = new ProblemLog(problems, log);
  told.look();
  return [
    () => {
      if (credentials.look()) void reloader.credentialsChanged();
    },
    () => told.look(),
  ];
}
