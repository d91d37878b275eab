// SPDX-License-Identifier: Apache-2.0
/** What went wrong last, for those who ask later. */
export interface ErrorTold {
  code: string;
  reason: string;
}

export interface LastError extends ErrorTold {
  /** ISO 8601 */
  at: string;
}

export function lastError({ code, reason }: ErrorTold, nowMs = Date.now()): LastError {
  return { code, reason, at: new Date(nowMs).toISOString() };
}
