// SPDX-License-Identifier: Apache-2.0
/** What every test of the gate demands of the wire. */
import { expect } from 'chai';
import type { Capture } from '../../wire/capture.js';
import type { Stream } from '../../wire/streams.js';
import { lab, type LabOptions } from './lab.js';
import type { Sniffer } from './sniffer.js';

/** In everything that programs send: it must never be seen on the wire. */
export const SECRET = 'tlshub-secret-7f3a';
/** In everything that peers send who are no agents: it may be on the wire, and no captured program may read it. */
export const EVIL = 'evil-but-plain';

/** Servers from this port on are not captured: what they send may be anything. */
export const RAW_PORTS = 7900;

/** In `describe`: brings the lab up for a suite, records the wire, and judges it in the end. */
export function inTheLab(options: LabOptions = {}): void {
  let sniffer: Sniffer | undefined;
  before(async () => {
    await lab.need(options);
    sniffer = await lab.sniff();
  });
  after('nothing but TLS was on the wire between nodes', async () => {
    const capture = await sniffer?.stop();
    if (capture !== undefined) expectEncrypted(capture);
  });
}

/** No frame with plaintext, the secret nowhere, and something there at all. */
export function expectEncrypted(capture: Capture): void {
  expect(capture.payloadFrames, 'frames with payload').to.be.greaterThan(0);
  expect(capture.plaintextFrames, `plaintext frames:\n${capture.describe()}`).to.equal(0);
  expect(capture.contains(SECRET), 'the secret is on the wire').to.equal(false);
}

/** Time enough for a handshake under emulation, a deadline that a test can wait for, and EAGAIN at once for who does not want to block. */
const HURRIED: LabOptions = {
  set: { handshake_timeout_ms: 3000, overload_timeout_ms: 3000, hold_timeout_ms: 5000, hold_nonblocking_ms: 0 },
};

export interface Recording {
  /** Demands something more of the capture, in the end. */
  expect(check: (capture: Capture) => void): void;
}

/**
 * In `describe`: a lab that suites share, with short deadlines, and the wire recorded. In the end: captured programs sent nothing but TLS
 * between the nodes, whatever servers on raw ports sent them.
 */
export function inTheSharedLab(options: LabOptions = HURRIED): Recording {
  let sniffer: Sniffer | undefined;
  const checks: ((capture: Capture) => void)[] = [];
  before(async () => {
    await lab.need(options);
    sniffer = await lab.sniff();
  });
  after('captured programs sent nothing but TLS', async () => {
    const capture = await sniffer?.stop();
    if (capture === undefined) return;
    const captured = capture.mesh.filter(({ sport }) => sport < RAW_PORTS || sport > RAW_PORTS + 99);
    for (const stream of captured) expect(stream.plaintextFrames, sample(stream)).to.equal(0);
    expect(capture.contains(SECRET), `the secret is on the wire:\n${capture.describe()}`).to.equal(false);
    for (const check of checks) check(capture);
  });
  return { expect: (check) => checks.push(check) };
}

function sample({ src, sport, dst, dport, data, plaintextFrom }: Stream): string {
  const from = plaintextFrom ?? 0;
  return `plaintext from ${src}:${sport} to ${dst}:${dport}: ${JSON.stringify(data.toString('latin1', from, from + 80))}`;
}
