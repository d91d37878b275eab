// SPDX-License-Identifier: Apache-2.0
/** What the agent tells: status, readiness, metrics, metrics files, the operations of the control socket. */
import type { ControlServer } from '../control/server.js';
import type { Logger } from '../logging/logger.js';
import { registerAgentMetrics } from '../metrics/agent-metrics.js';
import { registerFlowMetrics } from '../metrics/flow-exposition.js';
import type { FlowMetrics } from '../metrics/flow-metrics.js';
import { movedBytes } from '../metrics/moved-bytes.js';
import { PerfReporter } from '../metrics/perf-reporter.js';
import type { MetricsRegistry } from '../metrics/registry.js';
import { RunningConnections } from '../metrics/running-connections.js';
import type { ProblemReport } from '../report/problem.js';
import type { StatusReport } from '../report/status.js';
import type { KernelAddon } from '../shared/kernel/kernel-addon.js';
import type { Attached } from './attach.js';
import { controlHandlers } from './control-handlers.js';
import type { Reloader } from './settings/reload.js';
import { agentProblems, statusReport, type StatusParts } from './status.js';
import type { Sweeper } from './sweeper.js';

export interface ExposeParts extends Omit<StatusParts, 'gateCounters'> {
  attached: Attached;
  addon: Pick<KernelAddon, 'counters'>;
  control: ControlServer;
  metrics: MetricsRegistry;
  flowMetrics: FlowMetrics;
  sweeper: Sweeper;
  reloader: Reloader;
  log: Logger;
}

export interface Exposed {
  perf: PerfReporter;
  /** why the agent is not ready, in words; empty: it is */
  notReady: () => string[];
  /** what is amiss, but for reloads that failed, which the log has from them */
  problems: () => ProblemReport[];
}

/** From now on the control socket answers. */
export function expose(parts: ExposeParts): Exposed {
  const { addon, attached, control, dispatcher, flowMetrics, inForce, metrics, provider, reloader } = parts;
  const { list } = parts.sweeper;
  const status = (): StatusReport =>
    statusReport({ ...parts, gateCounters: () => addon.counters(attached.fds.counters) });
  registerAgentMetrics(metrics, status);
  registerFlowMetrics(metrics, flowMetrics, movedBytes(list, flowMetrics, dispatcher.table));
  const perf = new PerfReporter({
    dir: () => inForce.config.metricsDir,
    node: inForce.config.nodeName,
    flows: () => list.read(new RunningConnections(flowMetrics, dispatcher.table)),
    log: parts.log,
  });
  control.serve(
    controlHandlers({
      ...{ inForce, dispatcher, provider, reloader, metrics, status, list },
      channels: () => parts.channels().reports(),
    }),
  );
  return { perf, notReady: () => status().notReady, problems: () => agentProblems(parts) };
}
