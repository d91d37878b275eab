// SPDX-License-Identifier: Apache-2.0
/**
 * A provider worker whose TLS library does what the first peer name says: `ok`, `ok-slow` (20 ms), `fail`, `never` (until cancelled or
 * timed out), `stuck` (until cancelled), `crash` (the thread ends), `hang` (its event loop never runs again).
 */
import { workerData } from 'node:worker_threads';
import type { HandshakeAddon, HandshakeContext, HandshakeOutcome } from '../../src/shared/kernel/handshake-addon.js';
import { hostNegotiations, type NegotiatorData } from '../../src/workers/negotiation-host.js';

const NOTHING = { peerNames: [], handshakeOnly: true, bytesSent: 0, bytesReceived: 0, durationNs: 1_000_000n };

function success(peerName: string): HandshakeOutcome {
  return {
    ok: true,
    cipher: 'TLS_AES_128_GCM_SHA256',
    tlsVersion: 'TLSv1.3',
    secrets: 0x5ec3e7,
    wiped: true,
    txSequence: 0n,
    rxSequence: 2n,
    bytesSent: 500,
    bytesReceived: 600,
    resumed: false,
    peerName,
    durationNs: 2_000_000n,
    keyLog: [],
  };
}

const addon: HandshakeAddon = {
  libraryVersion: () => 'FakeSSL 1.0',
  libraryFile: () => '/fake.so',
  createContext: () => ({}) as HandshakeContext,
  createDriver: () => {
    const running = new Map<number, (outcome: HandshakeOutcome) => void>();
    let next = 1;
    return {
      start: (_context, request, done) => {
        const id = next++;
        const [behaviour = 'ok'] = request.peerNames;
        if (behaviour === 'crash') process.exit(3);
        if (behaviour === 'hang') for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
        let timer: NodeJS.Timeout | undefined;
        const finish = (outcome: HandshakeOutcome): void => {
          clearTimeout(timer);
          if (running.delete(id)) done(outcome);
        };
        running.set(id, finish);
        if (behaviour === 'ok') setImmediate(() => finish(success('node-b')));
        if (behaviour === 'ok-slow') timer = setTimeout(() => finish(success('node-b')), 20);
        if (behaviour === 'fail') {
          setImmediate(() => finish({ ok: false, code: 'TLSHUB_PEER_CERTIFICATE', reason: 'another CA', ...NOTHING }));
        }
        if (behaviour === 'never') {
          const reason = 'the peer did not answer';
          timer = setTimeout(
            () => finish({ ok: false, code: 'TLSHUB_HANDSHAKE_TIMEOUT', reason, ...NOTHING }),
            request.timeoutMs,
          );
        }
        return id;
      },
      cancel: (id) => {
        const finish = running.get(id);
        setImmediate(() =>
          finish?.({ ok: false, code: 'TLSHUB_HANDSHAKE_CANCELLED', reason: 'cancelled', ...NOTHING }),
        );
      },
      inFlight: () => running.size,
      close: () => running.clear(),
    };
  },
};

export default hostNegotiations(addon, workerData as NegotiatorData);
