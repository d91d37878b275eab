// SPDX-License-Identifier: Apache-2.0
/**
 * The thread that ends negotiations: it has kernel keys set, connections refused and descriptors closed, by helper processes, since all of
 * that may block. It is the only one that has a held descriptor closed; messages.ts says who owns it when.
 *
 * It sleeps on one doorbell for all its producers: a ring from each provider worker, one from the dispatcher, and the port for rings that
 * come and go. Negotiated keys go first: a program waits for each of them.
 */
import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { collectGarbage } from '../shared/async/collect-garbage.js';
import { Beat, keepBeating } from '../shared/ipc/beats.js';
import { Doorbell } from '../shared/ipc/doorbell.js';
import { toWire } from '../shared/errors/errors.js';
import { MessageReceiver, MessageSender } from '../shared/ipc/message-ring.js';
import type {
  InstallerCommand,
  InstallerControl,
  InstallerReport,
  Negotiated,
  ThreadReport,
} from '../shared/ipc/messages.js';
import type { GateFds } from '../shared/kernel/kernel-addon.js';
import { kernel } from '../shared/kernel/native.js';
import type { CipherName } from '../shared/kernel/words.js';
import { InstallerWork } from './installer-work.js';

export interface InstallerData {
  commands: SharedArrayBuffer;
  reports: SharedArrayBuffer;
  doorbell: SharedArrayBuffer;
  slots: SharedArrayBuffer;
  fds: GateFds;
  /** of KernelAddon.helperParentPair */
  helperParentFd: number;
  beats: Uint32Array<SharedArrayBuffer>;
  /** between two signs of life, in ms */
  beatMs: number;
  /** that may be asked for: the kernel loads what it needs for them before the first program waits */
  ciphers: CipherName[];
}

/** Commands between two looks at the negotiators' rings. */
const COMMANDS_AT_ONCE = 16;
/** Sleeps end by the doorbell; this only bounds what a lost ring would cost. */
const SLEEP_MS = 1000;

async function run(data: InstallerData): Promise<void> {
  for (const cipher of data.ciphers) kernel().tryCipher(cipher);
  const doorbell = new Doorbell(data.doorbell);
  const commands = new MessageReceiver<InstallerCommand>(data.commands);
  const reports = new MessageSender<InstallerReport>(data.reports);
  const helpers = kernel().openHelpers(data.helperParentFd, data.fds);
  const work = new InstallerWork({
    kernel: kernel(),
    helpers,
    fds: data.fds,
    slots: new Int32Array(data.slots),
    report: (report) => {
      // The dispatcher never waits for us, so waiting for it cannot close a circle.
      reports.sendWaiting(report);
      if (stopping) doorbell.ring();
    },
  });
  let stopping = false;
  const rings = new Map<number, MessageReceiver<Negotiated>>();
  const install = (negotiated: Negotiated): void => work.install(negotiated);

  /** Returns true when it is told to stop. */
  const control = (): boolean => {
    for (;;) {
      const received = parentPort === null ? undefined : receiveMessageOnPort(parentPort);
      if (received === undefined) return false;
      const message = received.message as InstallerControl;
      if (message.type === 'add-ring') {
        rings.set(message.id, new MessageReceiver<Negotiated>(message.ring));
      } else if (message.type === 'drop-ring') {
        rings.get(message.id)?.receive(install);
        rings.delete(message.id);
      } else if (message.type === 'rest') {
        collectGarbage();
      } else {
        return true;
      }
    }
  };

  parentPort?.postMessage({ type: 'ready' } satisfies ThreadReport);
  for (;;) {
    const count = doorbell.count();
    stopping = control() || stopping;
    let done = 0;
    for (const ring of rings.values()) done += ring.receive(install);
    done += commands.receive((command) => work.execute(command), COMMANDS_AT_ONCE);
    if (done > 0) {
      // Helpers' answers come by the event loop.
      await new Promise<void>((resolve) => setImmediate(resolve));
      continue;
    }
    if (stopping && work.inFlight === 0) break;
    await doorbell.wait(count, SLEEP_MS);
  }
  helpers.close();
  reports.close();
}

// It comes when there is a gate; what this file needs is loaded by then.
parentPort?.once('message', (data: InstallerData) => {
  // It also keeps the thread: sleeping on the doorbell does not.
  const stopBeating = keepBeating(data.beats, Beat.INSTALLER, data.beatMs);
  run(data)
    .catch((error: unknown) => {
      parentPort?.postMessage({ type: 'failed', error: toWire(error) } satisfies ThreadReport);
      process.exitCode = 1;
    })
    .finally(() => {
      stopBeating();
      // A port with a listener keeps a thread alive; this one has none, but receiveMessageOnPort may have started it.
      parentPort?.unref();
    });
});
