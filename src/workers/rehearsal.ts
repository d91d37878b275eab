// SPDX-License-Identifier: Apache-2.0
/** What a provider worker does before it serves. */
import type { HandshakeAddon, HandshakeCredentials, HandshakeOutcome } from '../shared/kernel/handshake-addon.js';
import { kernel } from '../shared/kernel/native.js';
import type { Role } from '../shared/kernel/words.js';

/** A negotiation with oneself may take this long, in ms: nobody waits for it but the start. */
const REHEARSAL_MS = 20_000;

/**
 * One handshake of this worker with itself over loopback, before it says hello: the first run of all this code is slow (compiling, loading,
 * the library's own tables), and no program should pay for that. It also tells early what a peer would say of our certificate.
 * @param pair two connected sockets; closed by the caller
 * @param warn gets what is worth a line of the log, though handshakes work
 * @returns what was wrong, '' for nothing. A machine too slow for it in time says nothing about what peers would say.
 */
export async function rehearse(
  addon: HandshakeAddon,
  credentials: HandshakeCredentials,
  nodeName: string,
  pair: readonly [number, number],
  warn: (message: string) => void,
): Promise<string> {
  const context = addon.createContext(credentials);
  const driver = addon.createDriver();
  const play = (fd: number, role: Role): Promise<HandshakeOutcome> =>
    new Promise((resolve) => {
      driver.start(context, { fd, role, peerNames: [nodeName], timeoutMs: REHEARSAL_MS, keyLog: false }, resolve);
    });
  const outcomes = await Promise.all([play(pair[0], 'active'), play(pair[1], 'passive')]);
  driver.close();
  for (const outcome of outcomes) if (outcome.ok) kernel().discardSecret(outcome.secrets);
  const failed = outcomes.find((outcome) => !outcome.ok && outcome.code !== 'TLSHUB_HANDSHAKE_TIMEOUT');
  if (outcomes.some((outcome) => outcome.ok && !outcome.wiped)) {
    const advice = 'run the agent on a Node.js that it was tested on';
    warn(
      `${addon.libraryVersion()} may leave secrets of connections in memory that it frees, unknown where: ${advice}`,
    );
  }
  return failed === undefined || failed.ok ? '' : failed.reason;
}
