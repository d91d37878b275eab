// SPDX-License-Identifier: Apache-2.0
/** Says in the log what is amiss with the agent, once when it comes up and once when it is over. */
import type { Logger } from '../logging/logger.js';
import type { ProblemReport } from '../report/problem.js';

/** Said where they are noticed, or by what the agent says of its start and end. */
const SAID_ELSEWHERE = new Set(['TLSHUB_CGROUP_AWAITED', 'TLSHUB_DRAINING', 'TLSHUB_STARTING', 'TLSHUB_KEY_EXPOSED']);

/** Texts that are remembered. */
const MOST_SAID = 200;

export class ProblemLog {
  private told: readonly ProblemReport[] = [];
  /** of the codes of these, all warnings that were said: what fails now for this reason and now for that is said once for each */
  private said: readonly ProblemReport[] = [];

  constructor(
    private readonly problems: () => readonly ProblemReport[],
    private readonly log: Logger,
  ) {}

  look(): void {
    const now = this.problems().filter(({ code }) => !SAID_ELSEWHERE.has(code));
    for (const problem of now) {
      const { severity, code, message, remedy } = problem;
      if (!this.said.some((one) => same(one, problem))) this.log[severity](message, { code, remedy });
    }
    for (const { code, message } of this.told) {
      if (!now.some((one) => one.code === code)) this.log.info(`no longer so: ${message}`, { code });
    }
    const before = this.said.filter((one) => one.severity === 'warning' && now.some(({ code }) => code === one.code));
    this.said = [...now, ...before.filter((one) => !now.some((other) => same(one, other)))].slice(0, MOST_SAID);
    this.told = now;
  }
}

/** Whatever number of seconds it has lasted. A certificate that expires is said anew each day. */
function same(one: ProblemReport, other: ProblemReport): boolean {
  const text = ({ severity, code, message }: ProblemReport): string =>
    `${severity} ${code} ${message.replace(/\d+ s\b/g, '')}`;
  return text(one) === text(other);
}
