// SPDX-License-Identifier: Apache-2.0
/** The way of one connection to its key, with a module that answers as the test says. */
import { expect } from 'chai';
import { parseAddress } from '../../src/shared/net/address.js';
import { TlshubError } from '../../src/shared/errors/errors.js';
import type { NativeConnectionNames } from '../../src/shared/kernel/tlshub-addon.js';
import type { Role } from '../../src/shared/kernel/words.js';
import type { HandshakeResult, LookUpResult, TlshubTuple } from '../../src/tlshub/client.js';
import { negotiateOutOfBand, type OutOfBandKeys, type OutOfBandRequest } from '../../src/tlshub/negotiate.js';

/** Handles, as the addon gives them. */
const KEY = 7;
const SECRETS = 8;

interface Module {
  calls: string[];
  tuples: TlshubTuple[];
  derived: [number, NativeConnectionNames][];
}

describe('negotiating by TLSHub', () => {
  const key = (): LookUpResult => ({ status: 'ok', key: KEY });
  const late = (): Error => new TlshubError('TLSHUB_MODULE_TIMEOUT', 'late');

  function run(
    role: Role,
    fetches: (() => LookUpResult | Error)[],
    handshakes: (HandshakeResult | Error)[] = [],
    changes: Partial<OutOfBandRequest> = {},
  ): Promise<OutOfBandKeys> & Module {
    const module: Module = { calls: [], tuples: [], derived: [] };
    const answer = <T>(value: T | Error | undefined): Promise<T> => {
      if (value === undefined) return Promise.reject(new Error('asked once too often'));
      return value instanceof Error ? Promise.reject(value) : Promise.resolve(value);
    };
    const client = {
      lookUpKey: (tuple: TlshubTuple, options: { server?: boolean } = {}) => {
        module.calls.push(options.server === true ? 'fetch as server' : 'fetch');
        module.tuples.push(tuple);
        return answer((fetches.length > 1 ? fetches.shift() : fetches[0])?.());
      },
      handshake: () => {
        module.calls.push('handshake');
        return answer(handshakes.shift());
      },
    };
    const [local, remote] = [parseAddress('10.0.0.1'), parseAddress('10.0.0.2')];
    const active = role === 'active';
    const request: OutOfBandRequest = {
      role,
      tuple: active
        ? { local, remote, lport: 4000, rport: 80 }
        : { local: remote, remote: local, lport: 80, rport: 4000 },
      iss: active ? 1 : 2,
      irs: active ? 2 : 1,
      peerNames: [active ? 'b' : 'a'],
      timeoutMs: 200,
      signal: new AbortController().signal,
      peek: () => Promise.resolve(-1),
      ...changes,
    };
    const derive = (from: number, names: NativeConnectionNames): number => {
      module.derived.push([from, names]);
      return SECRETS;
    };
    const options = { client, derive, nodeName: active ? 'a' : 'b', cipher: 'TLS_AES_128_GCM_SHA256' as const };
    return Object.assign(negotiateOutOfBand(request, options), module);
  }

  async function failure(running: Promise<unknown>): Promise<TlshubError> {
    try {
      await running;
    } catch (error) {
      if (error instanceof TlshubError) return error;
      throw error;
    }
    throw new Error('it succeeded');
  }
  const none = (): LookUpResult => ({ status: 'none' });
  const expired = (): LookUpResult => ({ status: 'expired' });

  it('uses a key that is there', async () => {
    const running = run('active', [key]);
    expect((await running).peerName).to.equal('b');
    expect(running.calls).to.deep.equal(['fetch']);
  });

  it('client: fetch, failure, handshake, fetch', async () => {
    for (const first of [none, expired]) {
      for (const status of ['first', 'done', 'already-connected'] as const) {
        const running = run('active', [first, key], [{ status }]);
        await running;
        expect(running.calls).to.deep.equal(['fetch', 'handshake', 'fetch']);
      }
    }
  });

  it('server: fetches until the key is there, and never asks for a handshake', async () => {
    const running = run('passive', [none, expired, late, none, key]);
    await running;
    expect(running.calls).to.deep.equal(Array(5).fill('fetch as server'));
  });

  it('both ends name the connection alike, and hand over what is derived of the key', async () => {
    const [active, passive] = [run('active', [key]), run('passive', [key])];
    expect(await active).to.deep.equal({ secrets: SECRETS, peerName: 'b' });
    expect(await passive).to.deep.equal({ secrets: SECRETS, peerName: 'a' });
    expect(active.tuples).to.deep.equal(passive.tuples);
    const names = {
      ...{ clientAddress: Uint8Array.of(10, 0, 0, 1), serverAddress: Uint8Array.of(10, 0, 0, 2) },
      ...{ clientPort: 4000, serverPort: 80, clientIsn: 1, serverIsn: 2 },
      ...{ cipher: 'TLS_AES_128_GCM_SHA256', clientNode: 'a', serverNode: 'b' },
    };
    for (const { derived } of [active, passive]) expect(derived).to.deep.equal([[KEY, names]]);
  });

  it('server: gives up at its deadline, and says for whom it has waited', async () => {
    const error = await failure(run('passive', [none]));
    expect(error.code).to.equal('TLSHUB_NO_KEY');
    expect(error.message).to.match(/no key for the connection within 200 ms: has the peer asked for one/);
    expect((await failure(run('passive', [expired]))).message).to.include('only a key that has expired');
  });

  it('client: a handshake that fails ends it, with the words of the module', async () => {
    const error = await failure(run('active', [none], [{ status: 'failed', message: 'no certificate' }]));
    expect(error.code).to.equal('TLSHUB_MODULE_REFUSED');
    expect(error.message).to.include('no certificate');
  });

  it('a module that is missing, silent or talks nonsense ends it', async () => {
    for (const code of ['TLSHUB_MODULE_MISSING', 'TLSHUB_MODULE_PROTOCOL']) {
      expect((await failure(run('passive', [() => new TlshubError(code, 'so')]))).code).to.equal(code);
    }
    expect((await failure(run('active', [none], [late()]))).code).to.equal('TLSHUB_MODULE_TIMEOUT');
    expect((await failure(run('passive', [late], [], { timeoutMs: 20 }))).code).to.equal('TLSHUB_MODULE_TIMEOUT');
  });

  for (const [seen, code, words] of [
    [22, 'TLSHUB_PEER_PROTOCOL', 'another mode than tlshub'],
    [0x47, 'TLSHUB_PEER_PROTOCOL', 'no TLS record'],
    [-2, 'TLSHUB_PEER_CLOSED', 'closed'],
  ] as const) {
    it(`server: does not wait for a key when the first byte is ${seen}`, async () => {
      const running = run('passive', [none], [], { peek: () => Promise.resolve(seen), timeoutMs: 60_000 });
      const error = await failure(running);
      expect(error.code).to.equal(code);
      expect(error.message).to.include(words);
      expect(running.calls).to.have.length(1);
    });
  }

  it('server: a peer that resets the connection ends it; encrypted data does not', async () => {
    const peek = (): never => {
      throw new Error('ECONNRESET');
    };
    expect((await failure(run('passive', [none], [], { peek }))).code).to.equal('TLSHUB_PEER_RESET');
    await run('passive', [none, none, key], [], { peek: () => Promise.resolve(23) });
  });

  it('ends at once when it is cancelled', async () => {
    const controller = new AbortController();
    const running = failure(run('passive', [none], [], { signal: controller.signal, timeoutMs: 60_000 }));
    setTimeout(() => controller.abort(), 20);
    expect((await running).code).to.equal('TLSHUB_HANDSHAKE_CANCELLED');
  });

  it('refuses IPv6 and addresses of several nodes, without a word to the module', async () => {
    const v6 = { local: parseAddress('fd00::1'), remote: parseAddress('fd00::2'), lport: 1, rport: 2 };
    const running = run('active', [key], [], { tuple: v6 });
    expect((await failure(running)).code).to.equal('TLSHUB_IPV4_ONLY');
    const both = run('active', [key], [], { peerNames: ['b', 'c'] });
    expect((await failure(both)).message).to.include('b, c');
    expect([...running.calls, ...both.calls]).to.deep.equal([]);
  });
});
