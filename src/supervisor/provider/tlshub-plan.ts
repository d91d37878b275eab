// SPDX-License-Identifier: Apache-2.0
/** The TLSHub provider: keys come from the kernel module, out of band. */
import { TlshubClient } from '../../tlshub/client.js';
import { workerFile } from '../../workers/files.js';
import type { TlshubWorkerData } from '../../workers/tlshub-negotiator.js';
import { ProviderPool } from './pool.js';
import { planKey, type ProviderPlan } from './switch.js';
import type { ProviderParts } from './parts.js';

/** For the module to say that it is ready, in ms. */
const INIT_MS = 10_000;

/**
 * The plan of the provider that announces this node to the module and then makes the pool.
 * @throws (create, by rejection) TlshubError TLSHUB_MODULE_MISSING, exit status 69, when nobody serves the protocol
 */
export function planTlshub(parts: ProviderParts): ProviderPlan {
  const { config, doorbell, rings, helperParentFd, log } = parts;
  const address = { protocol: config.netlinkProtocol, peerPortId: config.tlshub.peerPortId };
  const workerData: TlshubWorkerData = {
    ...address,
    sockets: config.tlshub.sockets,
    cipher: config.tlshub.cipher,
    nodeName: config.nodeName,
    doorbell: doorbell.buffer,
    ringBytes: config.ringBytes,
    keyLogFile: '',
    helperParentFd,
  };
  const { poolSize, poolInFlight, poolQueue } = config.tlshub;
  const size = { threads: poolSize, inFlight: poolInFlight, queue: poolQueue };
  const create: ProviderPlan['create'] = async (onFatal) => {
    const client = new TlshubClient({
      ...address,
      timeoutMs: INIT_MS,
      onLog: (line) => log.info(`TLSHub module: ${line}`),
    });
    try {
      await client.init();
    } finally {
      client.close();
    }
    const pool = new ProviderPool({
      name: 'tlshub',
      kind: 'out-of-band',
      workerFile: workerFile('tlshub-negotiator'),
      workerData,
      ...size,
      onRing: (id, ring) => rings.add(id, ring),
      onRingGone: (id) => rings.drop(id),
      onFatal,
      log,
    });
    await pool.ready();
    return pool;
  };
  return { name: 'tlshub', key: planKey('tlshub', workerData, size), create };
}
