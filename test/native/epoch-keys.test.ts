// SPDX-License-Identifier: Apache-2.0
/** Epochs in the kernel addon. What keys they make is the native tests' (native/test/secrets_epochs.cc): here nobody sees them. */
import { expect } from 'chai';
import type { Agreement } from '../../src/shared/kernel/abi.js';
import type { EpochKeys, FlowKeys } from '../../src/shared/kernel/kernel-addon.js';
import { kernel } from '../../src/shared/kernel/native.js';

const addon = kernel();
const TUPLE = { local: new Uint8Array(16).fill(1), remote: new Uint8Array(16).fill(2), lport: 1, rport: 65_535 };
const CIPHER = 'TLS_AES_256_GCM_SHA384';
const agreed = (number: number, changes: Partial<Agreement> = {}): Agreement => ({
  ...{ what: 'direct', epoch: 7, number },
  ...changes,
});

describe('epochs in the kernel addon', () => {
  let keys: EpochKeys;
  let before = 0;
  beforeEach(() => {
    before = addon.secretMemory().secrets;
    keys = addon.openEpochKeys();
    keys.addOwn(7, 'node-a', CIPHER);
  });

  const derive = (side: 'opened' | 'accepted', what: Agreement, peer = 'node-a'): ReturnType<EpochKeys['derive']> =>
    keys.derive(side, peer, what, TUPLE, 2 ** 32 - 1, 0);
  const made = (side: 'opened' | 'accepted', what: Agreement): FlowKeys => {
    const answer = derive(side, what);
    if (typeof answer === 'string') throw new Error(answer);
    addon.discardSecret(answer.secrets);
    return answer;
  };

  it('make keys at both ends, of each number once where it is accepted, and say by whom', () => {
    for (const number of [0, 65_535]) {
      expect(made('opened', agreed(number))).to.include({ cipher: CIPHER, peerName: 'node-a' });
      expect(made('accepted', agreed(number))).to.include({ cipher: CIPHER, peerName: 'node-a' });
      expect(derive('accepted', agreed(number))).to.equal('taken');
    }
    expect(derive('opened', agreed(1, { epoch: 8 }))).to.equal('unknown');
    expect(derive('accepted', agreed(1), 'node-b')).to.equal('unknown');
    keys.close();
    expect(addon.secretMemory().secrets).to.equal(before);
  });

  it('are there once, forgotten when it is said, and wiped when it is closed', () => {
    expect(() => keys.addOwn(7, 'node-a', CIPHER)).to.throw('there is such an epoch already');
    keys.forget('accepted', 'node-a', 7);
    expect(derive('accepted', agreed(1))).to.equal('unknown');
    expect(addon.secretMemory().secrets).to.equal(before + 1);
    keys.close();
    expect(addon.secretMemory().secrets).to.equal(before);
    expect(() => derive('opened', agreed(1))).to.throw(TypeError, 'the EpochKeys is closed');
  });

  it('keys that wait for a program do not expire', () => {
    const answer = derive('opened', agreed(1)) as FlowKeys;
    expect(addon.expireSecrets(0)).to.equal(0);
    addon.discardSecret(answer.secrets);
    keys.close();
    expect(addon.secretMemory().secrets).to.equal(before);
  });

  it('take no argument that makes no sense', () => {
    const any = keys as unknown as Record<keyof EpochKeys, (...args: unknown[]) => unknown>;
    const refuses = (run: () => unknown, says: string): void => void expect(run).to.throw(TypeError, says);
    for (const epoch of [0, 2 ** 24, 1.5, '7']) {
      refuses(() => any.addOwn(epoch, 'node-a', CIPHER), 'epoch must be a whole number from 1 to 16777215');
    }
    refuses(() => any.forget('ours', 'node-a', 7), 'side must be opened or accepted');
    refuses(() => any.derive('opened', 'node-a', agreed(65_536), TUPLE, 0, 0), 'number must be a whole number');
    const other = { ...agreed(1), what: 'in-band' };
    refuses(() => any.derive('opened', 'node-a', other, TUPLE, 0, 0), 'what must be direct or translated');
    refuses(() => any.derive('opened', 'node-a', agreed(1), TUPLE, -1, 0), 'iss must be a whole number');
    expect(() => any.add('opened', 9, 'node-a', 'node-b', CIPHER, 1)).to.throw(/TLSHUB_SECRETS|secret/i);
    expect(derive('opened', agreed(1, { epoch: 9 }), 'node-b')).to.equal('unknown');
    keys.close();
  });
});
