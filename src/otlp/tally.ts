// SPDX-License-Identifier: Apache-2.0
/** What came of exports, for as long as the agent runs. */
import type { OtlpFigures, OtlpReport } from '../report/otlp.js';
import type { WireError } from '../shared/errors/errors.js';
import { clip } from '../shared/files/text-file.js';
import { printable } from '../shared/text/printable.js';
import type { OtlpSignal } from './target.js';

export class Tally {
  private readonly figures: Record<OtlpSignal, OtlpFigures> = {
    metrics: { exported: 0, dropped: 0 },
    access_log: { exported: 0, dropped: 0 },
  };
  private readonly errors = new Map<OtlpSignal, WireError>();

  /** Now none has failed: it is another collector. */
  forgetErrors(): void {
    this.errors.clear();
  }

  exported(signal: OtlpSignal, count: number): void {
    this.figures[signal].exported += count;
    this.errors.delete(signal);
  }

  /** @param error why, if it is not for want of room */
  dropped(signal: OtlpSignal, count: number, error?: WireError): void {
    this.figures[signal].dropped += count;
    if (error !== undefined) this.errors.set(signal, error);
  }

  get now(): Pick<OtlpReport, 'metrics' | 'accessLog' | 'error'> {
    const { metrics, access_log: accessLog } = this.figures;
    const [error = null] = this.errors.values();
    return { metrics: { ...metrics }, accessLog: { ...accessLog }, error };
  }
}

/** The exporter's own words for an answer of 429, 502, 503 or 504 after the last try. It does not say which (RetryingTransport). */
const TRY_LATER = 'Export failed with retryable status';

/** Without what the collector said: that is for its own log. */
export function reasonOf(thrown: unknown, timeoutMs: number): WireError {
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  const say = (text: string): WireError => ({ code: 'TLSHUB_OTLP', message: text });
  if (typeof code === 'number') return say(`it answered with HTTP status ${code}`);
  if (message === 'Request timed out') return say(`it did not answer within ${timeoutMs} ms`);
  if (message === TRY_LATER) return say('it wants to be asked later (HTTP status 429, 502, 503 or 504)');
  const text = typeof message === 'string' ? printable(clip(message)) : '';
  return say(typeof code === 'string' && !text.includes(code) ? `${code} ${text}`.trim() : text || 'it failed');
}
