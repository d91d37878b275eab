// SPDX-License-Identifier: Apache-2.0
/** The control of the TLSHub module: its numbers are the header's, requests and answers are read as kmod/tlshub/uapi/tlshub.h has them, and keys are no text. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { run } from '../../src/cli/program.js';
import { TlshubError } from '../../src/shared/errors/errors.js';
import {
  attribute,
  attributesOf,
  joined,
  nest,
  numberAttribute,
  numberOf,
  textAttribute,
} from '../../src/tlshub/module/attributes.js';
import { ModuleControl } from '../../src/tlshub/module/control.js';
import { generatePrivateKey, keyText, parseKey, publicKeyOf } from '../../src/tlshub/module/keys.js';
import * as numbers from '../../src/tlshub/module/numbers.js';
import { FakeModuleControl } from '../fakes/module-control.js';

const { COMMAND, COUNTER, FLOW, NETWORK, NODE, PEER } = numbers;

/** The members of an enum of the header, as numbers. */
function members(name: string): Record<string, number> {
  const header = readFileSync('kmod/tlshub/uapi/tlshub.h', 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const body = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(header)?.[1] ?? '';
  const found: Record<string, number> = {};
  let next = 0;
  for (const [, member = '', value] of body.matchAll(/(\w+)(?:\s*=\s*(\d+))?\s*,?\s*(?:\n|$)/g)) {
    next = value === undefined ? next : Number(value);
    found[member] = next++;
  }
  return found;
}

const address = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const long = (type: number, value: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return attribute(type, bytes);
};
const network = (type: number, bytes: Uint8Array, prefix: number): Uint8Array =>
  nest(type, attribute(NETWORK.ADDRESS, bytes), numberAttribute(NETWORK.PREFIX, 1, prefix));

/** RFC 7748, section 5.2, the iteration of the base point: after one, its public key is this. */
const PRIVATE = Buffer.from(`09${'00'.repeat(31)}`, 'hex');
const PUBLIC = Buffer.from('422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079', 'hex');

describe('the control of the TLSHub module', () => {
  for (const [what, ours, name, prefix] of [
    ['commands', COMMAND, 'tlshub_cmd', 'TLSHUB_CMD_'],
    ['of a network', NETWORK, 'tlshub_network_attr', 'TLSHUB_A_NETWORK_'],
    ['of the node', NODE, 'tlshub_node_attr', 'TLSHUB_A_NODE_'],
    ['of counters', COUNTER, 'tlshub_counter_attr', 'TLSHUB_A_COUNTER_'],
    ['of a peer', PEER, 'tlshub_peer_attr', 'TLSHUB_A_PEER_'],
    ['of a key', FLOW, 'tlshub_flow_attr', 'TLSHUB_A_FLOW_'],
  ] as const) {
    it(`has the header's numbers ${what}, and all of them`, () => {
      const theirs = Object.entries(members(name))
        .filter(([member]) => member.startsWith(prefix) && !/_(UNSPEC|PAD|EVENT)$/.test(member))
        .map(([member, number]) => [member.slice(prefix.length), number]);
      expect(Object.fromEntries(theirs)).to.deep.equal(ours);
    });
  }

  it('names the states of peers and keys in the order of the header', () => {
    const names = (name: string, prefix: string): string[] =>
      Object.keys(members(name)).map((member) => member.slice(prefix.length).toLowerCase());
    expect(names('tlshub_peer_state', 'TLSHUB_PEER_')).to.deep.equal([...numbers.PEER_STATES]);
    expect(names('tlshub_flow_state', 'TLSHUB_FLOW_')).to.deep.equal([...numbers.FLOW_STATES]);
  });

  it('sets what was given and nothing else, in one message, and leaves no key behind', () => {
    const fake = new FakeModuleControl();
    const key = Uint8Array.from(PRIVATE);
    new ModuleControl(fake).set({ privateKey: key, listenPort: 9467, networks: ['10.1.0.0/16', 'fd00:1::/64'] });
    const [asked] = fake.asked;
    expect(asked).to.include({ command: COMMAND.SET, dump: false });
    expect(asked?.attributes).to.deep.equal(
      joined([
        attribute(NODE.PRIVATE_KEY, PRIVATE),
        numberAttribute(NODE.LISTEN_PORT, 2, 9467),
        numberAttribute(NODE.FLAGS, 4, 0),
        network(NODE.NETWORK, address(10, 1, 0, 0), 16),
        network(NODE.NETWORK, address(0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 64),
      ]),
    );
    expect([...key].every((byte) => byte === 0)).to.equal(true);
  });

  it('sets a peer with sockaddr_in and sockaddr_in6', () => {
    const fake = new FakeModuleControl();
    const control = new ModuleControl(fake);
    control.setPeer('node-b', { endpoint: '192.0.2.2:9467', networks: [], replaceNetworks: true });
    control.setPeer('node-b', { endpoint: '[2001:db8::2]:1' });
    const values = fake.asked.map(({ attributes }) => new Map(attributesOf(attributes).map((a) => [a.type, a.value])));
    expect(Buffer.from(values[0]?.get(PEER.ENDPOINT) ?? []).toString('hex')).to.equal(
      `020024fbc0000202${'00'.repeat(8)}`,
    );
    expect(numberOf(values[0]?.get(PEER.FLAGS) ?? new Uint8Array())).to.equal(1);
    expect(Buffer.from(values[1]?.get(PEER.ENDPOINT) ?? []).toString('hex')).to.equal(
      `0a0000010000000020010db800000000000000000000000200000000`,
    );
    for (const bad of ['node-b:9467', '192.0.2.2', '2001:db8::2:1', '192.0.2.2:0', ''])
      expect(() => control.setPeer('b', { endpoint: bad }), bad).to.throw(TlshubError, 'is no ADDRESS:PORT');
    expect(() => control.set({ networks: ['10.1.0.5/16'] })).to.throw(TlshubError, 'host bits');
    expect(fake.asked).to.have.length(2);
  });

  it('reads node, peers and keys, and what an answer leaves out is left out', () => {
    const fake = new FakeModuleControl();
    const control = new ModuleControl(fake);
    const publicKey = Buffer.alloc(32, 7);
    fake.answers.set(COMMAND.GET, [
      joined([
        attribute(NODE.PUBLIC_KEY, publicKey),
        numberAttribute(NODE.LISTEN_PORT, 2, 9467),
        network(NODE.NETWORK, address(10, 1, 0, 0), 16),
        numberAttribute(NODE.LIFETIME_MS, 4, 60_000),
        nest(NODE.COUNTERS, long(COUNTER.STARTS, 5_000_000_000)),
      ]),
    ]);
    fake.answers.set(COMMAND.PEER_GET, [
      joined([
        textAttribute(PEER.NAME, 'node-b'),
        attribute(PEER.PUBLIC_KEY, publicKey),
        attribute(PEER.ENDPOINT, Buffer.from(`0a0024fb0000000020010db800000000000000000000000200000000`, 'hex')),
        numberAttribute(PEER.STATE, 1, 2),
        long(PEER.SESSION_AGE_MS, 1500),
        network(PEER.NETWORK, address(10, 2, 0, 0), 16),
        network(PEER.NETWORK, address(10, 3, 0, 0), 32),
      ]),
      joined([textAttribute(PEER.NAME, 'c'), numberAttribute(PEER.STATE, 1, 9)]),
    ]);
    fake.answers.set(COMMAND.FLOW_GET, [
      joined([
        attribute(FLOW.CLIENT_ADDRESS, address(10, 1, 0, 1)),
        attribute(FLOW.SERVER_ADDRESS, address(10, 2, 0, 1)),
        numberAttribute(FLOW.CLIENT_PORT, 2, 40_000),
        numberAttribute(FLOW.SERVER_PORT, 2, 443),
        numberAttribute(FLOW.SERVER, 1, 1),
        numberAttribute(FLOW.STATE, 1, 2),
      ]),
    ]);
    expect(control.node()).to.deep.include({
      publicKey: publicKey.toString('base64'),
      listenPort: 9467,
      networks: ['10.1.0.0/16'],
      lifetimeMs: 60_000,
      startMs: 0,
    });
    expect(control.node().counters).to.include({ starts: 5_000_000_000, drop_replayed_handshake: 0 });
    const [b, c] = control.peers();
    expect(b).to.deep.include({ name: 'node-b', endpoint: '[2001:db8::2]:9467', state: 'session', sessionAgeMs: 1500 });
    expect(b?.networks).to.deep.equal(['10.2.0.0/16', '10.3.0.0']);
    expect(c).to.deep.include({ name: 'c', state: 'unknown' }).and.to.not.have.any.keys('endpoint', 'sessionAgeMs');
    expect(control.flows()).to.deep.equal([
      {
        client: '10.1.0.1:40000',
        server: '10.2.0.1:443',
        ident: 0,
        role: 'server',
        state: 'ready',
        ageMs: 0,
        waiters: 0,
      },
    ]);
    expect(fake.asked.map(({ dump }) => dump)).to.deep.equal([false, false, true, true]);
  });

  it('takes no answer that ends in the middle of an attribute, wherever it is cut', () => {
    const fake = new FakeModuleControl();
    const whole = joined([textAttribute(PEER.NAME, 'node-b'), long(PEER.SENT, 1)]);
    for (let cut = 1; cut < whole.length; cut++) {
      fake.answers.set(COMMAND.PEER_GET, [whole.subarray(0, cut)]);
      try {
        const [peer] = new ModuleControl(fake).peers();
        expect(peer?.name === '' || peer?.name === 'node-b', String(cut)).to.equal(true);
      } catch (error) {
        expect(error, String(cut)).to.have.property('code', 'TLSHUB_MODULE_PROTOCOL');
      }
    }
  });

  it('says what a refusal means', () => {
    const fake = new FakeModuleControl();
    const refused = (errno: number): Error => Object.assign(new Error('refused'), { code: 'TLSHUB_SYS', errno });
    fake.answers.set(COMMAND.PEER_DEL, refused(2));
    fake.answers.set(COMMAND.GET, refused(1));
    const control = new ModuleControl(fake);
    expect(() => control.removePeer('x'))
      .to.throw(TlshubError)
      .with.property('remedy')
      .that.includes('tlshub peers');
    expect(() => control.node())
      .to.throw()
      .with.property('code', 'TLSHUB_NOT_PERMITTED');
  });
});

describe('keys of the TLSHub module', () => {
  it('are those of RFC 7748, with or without the end of a line', () => {
    expect(publicKeyOf(keyText(PRIVATE))).to.equal(keyText(PUBLIC));
    expect(publicKeyOf(`${keyText(PRIVATE)}\n`)).to.equal(keyText(PUBLIC));
  });

  it('are made anew each time', () => {
    const [one, other] = [generatePrivateKey(), generatePrivateKey()];
    expect(one).to.not.equal(other);
    expect(parseKey(one, 'key')).to.have.length(32);
  });

  it('are not repeated in the message when they are none', () => {
    const almost = keyText(Buffer.alloc(31, 1));
    expect(() => parseKey(almost, 'private key'))
      .to.throw(TlshubError, 'the private key is not base64 of 32 bytes')
      .with.property('message')
      .that.does.not.include(almost);
  });
});

describe('tlshubctl tlshub', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tlshub-module-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  async function cli(
    fake: FakeModuleControl,
    ...args: string[]
  ): Promise<{ status: number; out: string; err: string }> {
    const ended = { status: -1, out: '', err: '' };
    ended.status = await run(['tlshub', ...args], {
      out: (text) => (ended.out += text),
      err: (text) => (ended.err += text),
      env: {},
      probe: () => [],
      library: () => '',
      module: () => fake,
      release: () => Promise.reject(new Error('not asked')),
      uid: 0,
      untilInterrupted: () => AbortSignal.abort(),
    });
    return ended;
  }

  it('makes a key, tells its public half, and complains of a file that others can read', async () => {
    const fake = new FakeModuleControl();
    const { out } = await cli(fake, 'genkey');
    const file = join(folder, 'module.key');
    writeFileSync(file, out, { mode: 0o600 });
    const quiet = await cli(fake, 'pubkey', '--private-key', file);
    expect(quiet).to.deep.equal({ status: 0, out: `${publicKeyOf(out)}\n`, err: '' });
    const open = join(folder, 'open.key');
    writeFileSync(open, out, { mode: 0o644 });
    expect((await cli(fake, 'pubkey', '--private-key', open)).err).to.include('chmod 600');
    expect(await cli(fake, 'pubkey', '--private-key', join(folder, 'none'))).to.include({ status: 1 });
    expect(fake.asked).to.have.length(0);
  });

  it('sets the node from a file and shows it, and a peer by its options', async () => {
    const fake = new FakeModuleControl();
    const key = generatePrivateKey();
    const file = join(folder, 'node.key');
    writeFileSync(file, `${key}\n`, { mode: 0o600 });
    fake.answers.set(COMMAND.GET, [attribute(NODE.PUBLIC_KEY, parseKey(publicKeyOf(key), 'key'))]);
    const networks = ['--networks', '10.1.0.0/16,fd00::/64', '--networks', '10.9.0.0/24'];
    const set = await cli(fake, 'set', '--private-key', file, ...networks);
    expect(set.out).to.include(publicKeyOf(key)).and.to.not.include(key);
    const given = attributesOf(fake.asked[0]?.attributes ?? new Uint8Array());
    expect(given.filter(({ type }) => type === NODE.NETWORK)).to.have.length(3);
    expect(given.find(({ type }) => type === NODE.PRIVATE_KEY)?.value).to.deep.equal(parseKey(key, 'key'));
    const peer = await cli(
      fake,
      'set-peer',
      'node-b',
      '--public-key',
      publicKeyOf(key),
      '--endpoint',
      '192.0.2.2:9467',
    );
    expect(peer.status, peer.err).to.equal(0);
    expect((await cli(fake, 'set')).status).to.equal(64);
    expect((await cli(fake, 'set-peer', 'node-b')).err).to.include('nothing to change');
    expect((await cli(fake, 'set', '--listen-port', '70000')).status).to.equal(64);
    expect((await cli(fake, 'remove-peer', 'node-b')).out).to.equal('removed node-b\n');
  });

  it('says that there is no module, with its exit status', async () => {
    const fake = new FakeModuleControl();
    const missing = Object.assign(new Error('the kernel has no netlink family "tlshub"'), {
      code: 'TLSHUB_MODULE_MISSING',
    });
    for (const command of [COMMAND.GET, COMMAND.PEER_GET, COMMAND.FLOW_GET]) fake.answers.set(command, missing);
    for (const command of ['show', 'peers', 'keys']) {
      const { status, err } = await cli(fake, command);
      expect(status, command).to.equal(69);
      expect(err).to.include('modprobe');
    }
  });
});
