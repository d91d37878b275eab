// SPDX-License-Identifier: Apache-2.0
/**
 * Every coded failure of the product in one table, joined here from a file for each noun. `docs/ERRORS.md` is generated from it, in this
 * order (`node build/tools/docs.js`).
 */
import { AGENT_ERRORS } from './catalog/agent.js';
import { CHANNEL_ERRORS } from './catalog/channel.js';
import { COMMAND_ERRORS } from './catalog/command.js';
import { CONFIG_ERRORS } from './catalog/config.js';
import { CONTROL_ERRORS } from './catalog/control.js';
import { CREDENTIALS_ERRORS } from './catalog/credentials.js';
import { ENDPOINTS_ERRORS } from './catalog/endpoints.js';
import type { ErrorEntry } from './catalog/entry.js';
import { GATE_ERRORS } from './catalog/gate.js';
import { HANDSHAKE_ERRORS } from './catalog/handshake.js';
import { HOST_ERRORS } from './catalog/host.js';
import { MAPPING_ERRORS } from './catalog/mapping.js';
import { METRICS_ERRORS } from './catalog/metrics.js';
import { PROVIDER_ERRORS } from './catalog/provider.js';
import { SOCKET_ERRORS } from './catalog/socket.js';

export { EXIT, type ErrorEntry } from './catalog/entry.js';

export const ERROR_CATALOG = {
  ...COMMAND_ERRORS,
  ...GATE_ERRORS,
  ...CONFIG_ERRORS,
  ...MAPPING_ERRORS,
  ...ENDPOINTS_ERRORS,
  ...CREDENTIALS_ERRORS,
  ...HOST_ERRORS,
  ...AGENT_ERRORS,
  ...PROVIDER_ERRORS,
  ...CONTROL_ERRORS,
  ...SOCKET_ERRORS,
  ...METRICS_ERRORS,
  ...HANDSHAKE_ERRORS,
  ...CHANNEL_ERRORS,
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERROR_CATALOG;

export const ERROR_CODES = Object.keys(ERROR_CATALOG) as ErrorCode[];

/** The entry of a code, or undefined for codes from elsewhere (errno names, Node.js codes). */
export function catalogEntry(code: string): ErrorEntry | undefined {
  return Object.hasOwn(ERROR_CATALOG, code) ? ERROR_CATALOG[code as ErrorCode] : undefined;
}
