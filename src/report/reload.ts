// SPDX-License-Identifier: Apache-2.0
/** What came of a reload, as users are shown it. */
export interface ReloadReport {
  /** one line each; empty: everything is as it was */
  changes: string[];
  /** values of the file that wait for a restart, one line each */
  needsRestart: string[];
}
