// SPDX-License-Identifier: Apache-2.0
/** Something that is amiss, as users are shown it: `tlshubctl status`, the log. */
export interface ProblemReport {
  /** error: new connections are not secured, the agent is not ready; warning: they are, or there are none to secure */
  severity: 'error' | 'warning';
  /** of the catalogue: `tlshubctl explain CODE` */
  code: string;
  /** what is so */
  message: string;
  /** what to do */
  remedy: string;
}
