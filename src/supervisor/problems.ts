// SPDX-License-Identifier: Apache-2.0
/**
 * What is amiss with the agent, as a pure function: what `tlshubctl status`, /readyz, the metrics and the log say. An error means that new
 * connections are not secured, and the agent is not ready; a warning, that they are, but that there may be none, or soon none.
 */
import type { CertificateReport } from '../report/certificate.js';
import type { OtlpReport } from '../report/otlp.js';
import type { ProblemReport } from '../report/problem.js';
import type { AccessLogReport, BootGateReport, ConfigErrorReport } from '../report/status.js';
import { ERROR_CATALOG, catalogEntry, type ErrorCode } from '../shared/errors/catalog.js';
import { certificateProblems } from './settings/certificates.js';

export interface ProblemFacts {
  /** milliseconds since 1970 */
  now: number;
  /** the kernel's list of flows was read at least once: what happened before the agent came is known */
  swept: boolean;
  draining: boolean;
  /** threads whose silence has ended the agent's lease */
  late: readonly string[];
  /** a guardian runs; undefined: the configuration wants none */
  guardian: boolean | undefined;
  /** threads of the key provider in force */
  workers: number;
  /** why the mapping may be out of date, in words; undefined: it is not */
  staleMapping: string | undefined;
  /** distinct networks in the mapping, and where it comes from */
  mapping: { networks: number; source: string };
  /** patterns of capture.cgroup that nothing matches */
  cgroupsAwaited: readonly string[];
  certificates: readonly CertificateReport[];
  /** in words, if everybody can read the node's key */
  keyExposure: string | undefined;
  /** null: there is none */
  accessLog: AccessLogReport | null;
  /** null: nothing is exported */
  otlp: OtlpReport | null;
  /** what is kept for the boot gate */
  bootState: Pick<BootGateReport, 'file' | 'error'>;
}

/** The gravest first. */
export function problemsOf(facts: ProblemFacts): ProblemReport[] {
  const found = [...states(facts), ...certificateProblems(facts.certificates, facts.now), ...warnings(facts)];
  return [
    ...found.filter(({ severity }) => severity === 'error'),
    ...found.filter(({ severity }) => severity === 'warning'),
  ];
}

function problem(
  severity: ProblemReport['severity'],
  code: ErrorCode,
  message: string,
  remedy?: string,
): ProblemReport {
  return { severity, code, message, remedy: remedy ?? ERROR_CATALOG[code].remedy };
}

function states({ draining, swept, workers, late, staleMapping, guardian }: ProblemFacts): ProblemReport[] {
  const found: ProblemReport[] = [];
  const say = (code: ErrorCode, message: string): void => void found.push(problem('error', code, message));
  if (draining) say('TLSHUB_DRAINING', 'the agent is draining');
  if (!swept) {
    say('TLSHUB_STARTING', 'the connections that were there before the agent have not been looked at yet');
  }
  if (workers === 0) say('TLSHUB_WORKERS_MISSING', 'the key provider has no running thread');
  for (const thread of late) {
    say('TLSHUB_THREAD_SILENT', `the ${thread} thread gives no sign of life: the gate takes the agent for dead`);
  }
  if (staleMapping !== undefined) say('TLSHUB_MAPPING_STALE', `the mapping may be out of date: ${staleMapping}`);
  if (guardian === false) {
    say('TLSHUB_GUARDIAN_MISSING', 'no guardian runs: blocking programs are refused instead of held');
  }
  return found;
}

function warnings({ mapping, cgroupsAwaited, keyExposure, accessLog, otlp, bootState }: ProblemFacts): ProblemReport[] {
  const found = cgroupsAwaited.map((pattern) =>
    problem('warning', 'TLSHUB_CGROUP_AWAITED', `no cgroup matches ${pattern}: no program is captured by it`),
  );
  if (mapping.networks === 0) {
    const message = `the mapping has no address (${mapping.source}): there is no peer to secure connections to`;
    found.push(problem('warning', 'TLSHUB_MAPPING_EMPTY', message));
  }
  if (keyExposure !== undefined) found.push(problem('warning', 'TLSHUB_KEY_EXPOSED', keyExposure));
  if (accessLog?.error) {
    const message = `cannot write the access log to ${accessLog.destination}: ${accessLog.error.message}`;
    found.push(problem('warning', 'TLSHUB_ACCESS_LOG', message));
  }
  if (otlp?.error) {
    const message = `cannot export to ${otlp.endpoint}: ${otlp.error.message}`;
    found.push(problem('warning', 'TLSHUB_OTLP', message));
  }
  if (bootState.error !== null) {
    const message = `cannot keep ${bootState.file ?? 'nothing'} for the boot gate: ${bootState.error.message}`;
    found.push(problem('warning', 'TLSHUB_BOOT_STATE', message));
  }
  return found;
}

/** What the files say and is not in force, since something was wrong with it: of the last reload, and of new certificates. */
export function reloadProblems(failed: readonly ConfigErrorReport[]): ProblemReport[] {
  return failed.map(({ at, error }) => ({
    severity: 'warning',
    code: error.code,
    message: `what is in force is not what the files say; tried at ${at}: ${error.message}`,
    remedy: catalogEntry(error.code)?.remedy ?? ERROR_CATALOG.TLSHUB_INTERNAL.remedy,
  }));
}
