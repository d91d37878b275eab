// SPDX-License-Identifier: Apache-2.0
/** What the machine's actions are to the installer. */
import type { InstallerCommand } from '../../shared/ipc/messages.js';
import { FlowClass } from '../../shared/kernel/abi.js';
import type { Action } from './machine.js';
import type { Flow } from './table.js';

export type InstallerAction = Extract<Action, 'refuse' | 'forbid' | 'hang-up' | 'close' | 'destroy' | 'continue'>;

/**
 * Undefined: there is nothing to do.
 * @param flow `destroy`: its ticket is the command's
 */
export function commandOf(flow: Flow, action: InstallerAction): InstallerCommand | undefined {
  const { held, cookie } = flow;
  switch (action) {
    case 'refuse':
    case 'forbid':
      return held && { ...held, type: action, tgid: flow.holder?.tgid ?? 0 };
    case 'hang-up':
      return held && { ...held, type: action, handshakeOnly: flow.handshakeOnly };
    case 'close':
      return held && { ...held, type: action };
    case 'destroy': {
      const tgid = flow.holder?.tgid ?? flow.owner?.tgid ?? 0;
      return { type: 'destroy', ticket: flow.ticket, cookie, tuple: flow.tuple, tgid, charge: flow.charge };
    }
    case 'continue':
      // A flow of another class is never held, so nobody stands still for it.
      return flow.class === FlowClass.MESH ? { type: 'continue', cookie } : undefined;
  }
}
