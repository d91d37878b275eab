// SPDX-License-Identifier: Apache-2.0
/** One pod of the mapping as users are shown it. */
export interface PodReport {
  pod: string;
  node: string;
  addresses: string[];
}
