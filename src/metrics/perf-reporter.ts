/** When metrics files are written: on demand and at exit, one after another. */
import type { Logger } from '../logging/logger.js';
import { asTlshubError } from '../shared/errors/errors.js';
import { writePerfFiles, type PerfFiles } from './perf-files.js';
import { perfReport, type PerfReport } from './perf-report.js';
import type { FlowMetricsReport } from './flow-metrics.js';
import { processUsage, type ProcessUsage } from './process-usage.js';

export interface PerfReporterOptions {
  /** metrics_dir, as it is when a report is made */
  dir: () => string;
  node: string;
  /** the connections, counted up to now */
  flows: () => FlowMetricsReport | Promise<FlowMetricsReport>;
  log: Logger;
  usage?: () => ProcessUsage;
  /** seconds since 1970 */
  now?: () => number;
}

export class PerfReporter {
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: PerfReporterOptions) {}

  /** What would be written now; undefined when it cannot be made, and the log says why: no agent ends for want of figures. */
  async report(): Promise<PerfReport | undefined> {
    const { flows, node, log, usage = processUsage, now = wallClock } = this.options;
    try {
      return perfReport(await flows(), usage(), node, now());
    } catch (error) {
      log.error('cannot make a metrics report', { error });
      return undefined;
    }
  }

  /**
   * Writes a report: by default one that is made now, also if an earlier one is still being written.
   * @returns the files, or undefined when it failed; the log says why
   */
  write(report: Promise<PerfReport | undefined> = this.report()): Promise<PerfFiles | undefined> {
    const dir = this.options.dir();
    const written = this.last.then(async () => {
      const made = await report;
      return made && this.attempt(dir, made);
    });
    this.last = written;
    return written;
  }

  private async attempt(dir: string, report: PerfReport): Promise<PerfFiles | undefined> {
    const { log } = this.options;
    try {
      const files = await writePerfFiles(dir, report);
      log.info(`metrics written to ${files.json}`, { csv: files.csv, connections: report.connections_total });
      return files;
    } catch (error) {
      const { message, code, remedy } = asTlshubError(error);
      log.error(message, { code, remedy });
      return undefined;
    }
  }
}

function wallClock(): number {
  return Math.floor(Date.now() / 1000);
}
