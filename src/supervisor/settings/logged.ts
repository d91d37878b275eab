// SPDX-License-Identifier: Apache-2.0
/** What the log has of the settings in force: how much it says, and a word about a key that everybody can read. */
import type { Logger } from '../../logging/logger.js';
import { keyExposure } from './credentials.js';
import type { InForce } from './in-force.js';

/** Now, and whenever there are new ones. The first settings' level is set already. */
export function followSettings(inForce: InForce, log: Logger): void {
  const lookAtKey = (): void => {
    const exposure = keyExposure(inForce.config);
    if (exposure !== undefined) log.warning(exposure);
  };
  lookAtKey();
  inForce.onSwap((now) => {
    lookAtKey();
    log.setLevel(now.config.logLevel);
    log.setVerbose(now.config.verbose);
  });
}
