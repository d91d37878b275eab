// SPDX-License-Identifier: Apache-2.0
/** The access log by the settings in force. */
import type { Logger } from '../logging/logger.js';
import { AccessLog, type AccessSink } from '../metrics/access-log.js';
import type { InForce } from './settings/in-force.js';

export function startAccessLog(inForce: InForce, also: AccessSink, log: Logger): AccessLog {
  const accessLog = new AccessLog({
    settings: () => {
      const { accessLog: destination, accessLogFormat: format, accessLogPercent: percent } = inForce.config;
      return { destination, format, percent };
    },
    node: () => inForce.config.nodeName,
    podOf: (address) => inForce.mapping.podOf(address),
    also,
    log,
  });
  inForce.onSwap(() => accessLog.follow());
  return accessLog;
}
