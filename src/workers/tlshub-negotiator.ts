// SPDX-License-Identifier: Apache-2.0
/** The worker of the TLSHub provider's pool: keys from the kernel module, never a byte on the connection. */
import { parentPort, workerData } from 'node:worker_threads';
import { monotonicNs } from '../shared/kernel/clock.js';
import { TlshubError, toWire } from '../shared/errors/errors.js';
import type { NegotiateTask, WorkerLog } from '../shared/ipc/messages.js';
import { kernel, tlshubNetlink } from '../shared/kernel/native.js';
import type { CipherName } from '../shared/kernel/words.js';
import { TlshubClient } from '../tlshub/client.js';
import { negotiateOutOfBand } from '../tlshub/negotiate.js';
import { hostTasks, type HostData, type TaskOutcome } from './negotiation-host.js';

export interface TlshubWorkerData extends HostData {
  protocol: number;
  peerPortId: number;
  sockets: number;
  cipher: CipherName;
  nodeName: string;
  /** of KernelAddon.helperParentPair; undefined: sockets are our own, and nobody looks at what they bring */
  helperParentFd: number | undefined;
}

/** Lines of the module's log that are passed on in a second; the rest is counted. */
const LINES_A_SECOND = 20;

function log(level: WorkerLog['level'], message: string): void {
  parentPort?.postMessage({ type: 'log', level, message } satisfies WorkerLog);
}

/** Passes lines on, not more than the log can bear. */
function moduleLog(): (line: string) => void {
  let second = 0;
  let lines = 0;
  return (line) => {
    const now = Math.floor(performance.now() / 1000);
    if (now !== second) {
      if (lines > LINES_A_SECOND) log('info', `TLSHub module: (${lines - LINES_A_SECOND} more lines were held back)`);
      second = now;
      lines = 0;
    }
    if (++lines <= LINES_A_SECOND) log('info', `TLSHub module: ${line}`);
  };
}

const data = workerData as TlshubWorkerData;
const helpers = data.helperParentFd === undefined ? undefined : kernel().openHelpers(data.helperParentFd);
const client = new TlshubClient({
  protocol: data.protocol,
  peerPortId: data.peerPortId,
  sockets: data.sockets,
  onLog: moduleLog(),
});
/** The supervisor has announced this node before it started us. A module that was gone since needs it once more. */
let announced: Promise<void> | undefined = Promise.resolve();
const peer = data.peerPortId === 0 ? 'the kernel module' : `a stand-in with port id ${data.peerPortId}`;

async function negotiate(task: NegotiateTask, signal: AbortSignal): Promise<TaskOutcome> {
  const begun = monotonicNs();
  const common = (): { bytesSent: number; bytesReceived: number; durationNs: bigint } => ({
    bytesSent: 0,
    bytesReceived: 0,
    durationNs: BigInt(Math.round(monotonicNs() - begun)),
  });
  const { role, peerNames, timeoutMs, connection } = task;
  try {
    if (connection === undefined) throw new TypeError('a task without its connection');
    await (announced ??= client.init({ timeoutMs }));
    const peek = (): Promise<number> =>
      new Promise((resolve, reject) => {
        if (helpers === undefined) resolve(-1);
        else helpers.peek({ ...task, tgid: 0 }, (seen) => (seen instanceof Error ? reject(seen) : resolve(seen)));
      });
    const { secrets, peerName } = await negotiateOutOfBand(
      { ...connection, role, peerNames, timeoutMs, signal, peek },
      {
        client,
        nodeName: data.nodeName,
        cipher: data.cipher,
        derive: (key, names) => tlshubNetlink().deriveSecrets(key, names),
      },
    );
    return {
      ok: true,
      cipher: data.cipher,
      tlsVersion: 'TLSv1.3',
      secrets,
      // Nothing was sent under these secrets: the first record is the program's.
      txSequence: 0n,
      rxSequence: 0n,
      resumed: false,
      peerName,
      keyLog: [],
      ...common(),
    };
  } catch (error) {
    if (!(error instanceof TlshubError)) throw error;
    if (error.code === 'TLSHUB_MODULE_MISSING') announced = undefined;
    const { code, message } = toWire(error);
    return { ok: false, code, reason: message, peerNames: [], handshakeOnly: false, ...common() };
  }
}

const library = { version: `TLSHub, netlink protocol ${data.protocol}, ${peer}`, file: '' };

export default hostTasks(library, data, (task, done) => {
  const controller = new AbortController();
  negotiate(task, controller.signal).then(done, (error: unknown) => {
    const { code, message } = toWire(error);
    const nothing = { peerNames: [], handshakeOnly: false, bytesSent: 0, bytesReceived: 0, durationNs: 0n };
    done({ ok: false, code, reason: message, ...nothing });
  });
  return () => controller.abort();
});
