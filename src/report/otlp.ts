// SPDX-License-Identifier: Apache-2.0
/** The export by OTLP as users are shown it. */
import type { WireError } from '../shared/errors/errors.js';

/** Since the agent began: of metrics series (data points), of the access log connections. */
export interface OtlpFigures {
  exported: number;
  /** not taken by the collector in time, or without room in the queue */
  dropped: number;
}

export interface OtlpReport {
  endpoint: string;
  /** what is exported */
  signals: string[];
  metrics: OtlpFigures;
  accessLog: OtlpFigures;
  /** why the last export failed; null: it did not */
  error: WireError | null;
}
