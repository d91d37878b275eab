// SPDX-License-Identifier: Apache-2.0
/** What the log says of flows, and how often. */
import type { LogFields, Logger } from '../../logging/logger.js';
import { createThrottle, type Throttle } from '../../logging/throttle.js';
import { fromWire } from '../../shared/errors/errors.js';
import type { InstallerReport } from '../../shared/ipc/messages.js';
import { FlowClass, reasonText, type FlowEvent } from '../../shared/kernel/abi.js';
import type { Counters } from './counters.js';
import { epochOf, exchangeOf } from './exchange.js';
import { remedyOf, type Verdict } from './machine.js';
import { tupleText, type Flow } from './table.js';

/** Lines in a second about refused flows, of each code; a silent peer's flows end by the hundred, and a log is work for this thread. */
const REFUSALS_LOGGED = { intervalMs: 1000, burst: 20 };

export class FlowLog {
  private readonly refusals: Throttle;

  constructor(
    private readonly log: Logger,
    private readonly counters: Counters,
  ) {
    this.refusals = createThrottle(log, REFUSALS_LOGGED);
  }

  secured(flow: Flow): void {
    if (!this.log.debugs()) return;
    const { cipher, holdMs } = flow;
    this.log.debug(`secured ${party(flow)}`, { ...who(flow), exchange: exchangeOf(flow), cipher, holdMs });
  }

  /** Says how a flow ends, and counts it. */
  ended(flow: Flow, verdict: Verdict): void {
    if (verdict.state === 'refused') {
      this.counters.values.refused++;
      this.fault('refused', flow, verdict);
    } else if (verdict.revoked === true) {
      this.fault('closed', flow, verdict);
    } else if (!flow.secured) {
      if (flow.class === FlowClass.MESH) this.counters.values.closedUnsecured++;
      if (this.log.debugs()) this.log.debug(`closed ${party(flow)}: ${verdict.reason}`, who(flow));
    }
  }

  /** Says what the installer could not do. */
  reported(flow: Flow, report: InstallerReport): void {
    if (!('error' in report) || report.type === 'install-failed') return;
    const fields = { ...who(flow), error: fromWire(report.error), step: report.type };
    this.log.error(`could not end the connection of ${party(flow)} cleanly`, fields);
  }

  /** A program asked for a socket that captured programs may not have. */
  socketRefused({ owner, refs: family, waitMs: protocol, reason }: FlowEvent): void {
    const program = owner === undefined ? 'a program' : `${owner.comm}[${owner.tgid}]`;
    this.refusals.log(
      'warning',
      'socket-refused',
      `refused ${program} a socket of family ${family}, protocol ${protocol}: ${reasonText(reason)}`,
      { pid: owner?.tgid, comm: owner?.comm, family, protocol },
    );
  }

  /** Says what was kept back. */
  flush(): void {
    this.refusals.flush();
  }

  private fault(what: string, flow: Flow, verdict: Verdict): void {
    const { code, reason } = verdict;
    this.counters.failure(code);
    const fields = { ...who(flow), code, remedy: remedyOf(verdict) };
    this.refusals.log('warning', code, `${what} ${party(flow)}: ${reason}`, fields);
  }
}

/** Who is on this side and who on the other, in words. */
export function party(flow: Flow): string {
  const program = flow.owner === undefined ? 'a connection' : `${flow.owner.comm}[${flow.owner.tgid}]`;
  const node = flow.peerNode ?? flow.peerNodes.join(' or ');
  const peer = node === '' ? 'an unknown node' : `node ${node}`;
  return `${program} ${flow.role === 'active' ? 'to' : 'from'} ${peer}`;
}

/** The same as fields of a log line. */
export function who(flow: Flow): LogFields {
  return {
    flow: tupleText(flow),
    role: flow.role,
    cookie: flow.cookie,
    pid: flow.owner?.tgid,
    comm: flow.owner?.comm,
    peerNodes: flow.peerNodes,
    epoch: epochOf(flow) ?? undefined,
  };
}
