// SPDX-License-Identifier: Apache-2.0
/** Where something is exported to by OTLP, what, and by what name. */
import type { OTLP_SIGNALS } from '../config/observation-keys.js';

export type OtlpSignal = (typeof OTLP_SIGNALS)[number];

export interface OtlpTarget {
  /** the base: `/v1/metrics` and `/v1/logs` are below it */
  readonly endpoint: string;
  readonly signals: readonly OtlpSignal[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** may be secret: never in a log */
  readonly headers: Readonly<Record<string, string>>;
  /** PEM; undefined: those of Node.js */
  readonly ca: string | undefined;
  /** attributes of the resource */
  readonly resource: Readonly<Record<string, string>>;
}

/** Fields by name; undefined: left out. */
export type OtlpEntry = Readonly<Record<string, string | number | undefined>>;
