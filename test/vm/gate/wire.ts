/** What every test of the gate demands of the wire. */
import { expect } from 'chai';
import { lab, type Capture, type LabOptions, type Sniffer } from '../harness/index.js';

/** In everything that programs send: it must never be seen on the wire. */
export const SECRET = 'tlshub-secret-7f3a';

/** In `describe`: brings the lab up for a suite, records the wire, and judges it in the end. */
export function inTheLab(options: LabOptions = {}): void {
  let sniffer: Sniffer | undefined;
  before(async () => {
    await lab.up(options);
    sniffer = await lab.sniff();
  });
  after('nothing but TLS was on the wire between nodes', async () => {
    const capture = await sniffer?.stop();
    await lab.down();
    if (capture !== undefined) expectEncrypted(capture);
  });
}

/** No frame with plaintext, the secret nowhere, and something there at all. */
export function expectEncrypted(capture: Capture): void {
  expect(capture.payloadFrames, 'frames with payload').to.be.greaterThan(0);
  expect(capture.plaintextFrames, `plaintext frames:\n${capture.describe()}`).to.equal(0);
  expect(capture.contains(SECRET), 'the secret is on the wire').to.equal(false);
}
