// SPDX-License-Identifier: Apache-2.0
/** The worker of an in-band provider's pool. */
import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerLog } from '../shared/ipc/messages.js';
import type { HandshakeAddon } from '../shared/kernel/handshake-addon.js';
import { handshakeAddon, kernel } from '../shared/kernel/native.js';
import { toWire } from '../shared/errors/errors.js';
import { hostNegotiations, type NegotiatorData } from './negotiation-host.js';
import { rehearse } from './rehearsal.js';

async function rehearsal(addon: HandshakeAddon, data: NegotiatorData): Promise<string> {
  try {
    const pair = kernel().loopbackPair();
    const warn = (message: string): void =>
      parentPort?.postMessage({ type: 'log', level: 'warning', message } satisfies WorkerLog);
    const problem = await rehearse(addon, data.credentials, data.nodeName, pair, warn);
    for (const fd of pair) kernel().closeFd(fd);
    return problem;
  } catch (error) {
    return toWire(error).message;
  }
}

const data = workerData as NegotiatorData;
const addon = handshakeAddon(data.library);

export default hostNegotiations(addon, data, await rehearsal(addon, data));
