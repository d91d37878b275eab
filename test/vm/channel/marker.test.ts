// SPDX-License-Identifier: Apache-2.0
/**
 * What two gates agree on in the TCP handshake, on the wire and in their own records. The epochs are put into their maps from here, and no agent has
 * secrets of them: what becomes of the connections is not asked.
 */
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { Intent, type Agreement } from '../../../src/shared/kernel/abi.js';
import { monotonicNs } from '../../../src/shared/kernel/clock.js';
import { kernel } from '../../../src/shared/kernel/native.js';
import { readSweep } from '../../../src/shared/kernel/sweep-records.js';
import { parseAddress } from '../../../src/shared/net/address.js';
import { pinDir } from '../death/support.js';
import { lab, waitFor, type MeshNode } from '../harness/index.js';
import { ADDRESSES, FAMILIES, type Family } from '../policy/support.js';
import { markerIn, type WireMarker } from '../../wire/marker.js';

const PORT = 7370;
const EPOCH = 0x8a_0b0c;
const FLOWS = 65_536;
/** Of version 1: nothing of keys by name. */
const IN_BAND: WireMarker = { version: 1, what: Intent.IN_BAND };

/** Of both families; nobody accepts. */
const LISTENER = `
import socket, sys, time
s = socket.create_server(('::', int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
time.sleep(600)`;
const CLIENT = `
import socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print(s.getsockname()[1], flush=True)
time.sleep(600)`;

/** Bytes as bpftool wants them: words of 4, those of 8 as bigint. */
function hex(...values: (number | bigint | Uint8Array)[]): string[] {
  const bytes = values.flatMap((value) => {
    if (value instanceof Uint8Array) return [...value];
    const buffer = Buffer.alloc(typeof value === 'bigint' ? 8 : 4);
    if (typeof value === 'bigint') buffer.writeBigUInt64LE(value);
    else buffer.writeUInt32LE(value);
    return [...buffer];
  });
  return ['hex', ...bytes.map((byte) => byte.toString(16).padStart(2, '0'))];
}

function onMap(node: MeshNode, what: string, map: string, ...more: string[]): string {
  const command = ['-j', 'map', what, 'pinned', `${pinDir(node)}/maps/${map}`, ...more];
  return execFileSync('/usr/sbin/bpftool', command, { encoding: 'utf8' });
}

/** By which number this node's gate knows the one that has the address. */
function numberOf(node: MeshNode, address: string): number {
  const found = JSON.parse(onMap(node, 'lookup', 'mesh', 'key', ...hex(128, parseAddress(address)))) as {
    value: string[];
  };
  return Buffer.from(found.value.map(Number)).readUInt32LE(4);
}

const inSeconds = (seconds: number): bigint => BigInt(monotonicNs()) + BigInt(seconds) * 1_000_000_000n;

function putEpoch(node: MeshNode, untilNs: bigint, given = 0): void {
  onMap(node, 'update', 'epochs', 'key', ...hex(EPOCH), 'value', ...hex(untilNs, given, 0));
}

/** `opener` has opened it to `node`. */
function putNodeEpoch(node: MeshNode, opener: MeshNode, untilNs: bigint): void {
  const number = numberOf(node, ADDRESSES.IPv4[opener]);
  expect(number).to.be.greaterThan(0);
  onMap(node, 'update', 'node_epochs', 'key', ...hex(number), 'value', ...hex(untilNs, EPOCH, 0));
}

function setChannel(node: MeshNode, on: boolean): void {
  const pins = kernel().openPins(pinDir(node));
  kernel().setChannel(pins.fds.settings, on);
  pins.close();
}

/** What the gate knows of a connection's end; undefined: it is not established there. */
function endOf(node: MeshNode, lport: number, rport: number): { agreed: Agreement | undefined } | undefined {
  const pins = kernel().openPins(pinDir(node));
  try {
    for (const record of readSweep(kernel(), pins.fds.sweepLink)) {
      const { tuple, establishedNs } = record;
      if (tuple.lport === lport && tuple.rport === rport && establishedNs > 0) return { agreed: record.agreed };
    }
    return undefined;
  } finally {
    pins.close();
  }
}

interface Handshake {
  /** SYN, SYN-ACK and the segment behind them */
  wire: (WireMarker | undefined)[];
  /** what the client's and the server's gate have noted */
  agreed: (Agreement | undefined)[];
}

async function connect(from: MeshNode, to: MeshNode, family: Family): Promise<Handshake> {
  const sniffer = await lab.sniff();
  const client = lab.spawn(from, ['python3', '-c', CLIENT, ADDRESSES[family][to], String(PORT)]);
  try {
    const port = Number(await waitFor(() => client.stdout.trim() || false, 30_000, 'a connection'));
    const ends = await waitFor(
      () => {
        const both = [endOf(from, port, PORT), endOf(to, PORT, port)];
        return both.every((end) => end !== undefined) && both;
      },
      30_000,
      'both ends',
    );
    const { segments } = await sniffer.stop();
    const there = segments.filter(({ sport, dport }) => sport === port && dport === PORT);
    const back = segments.filter(({ sport, dport }) => sport === PORT && dport === port);
    const wire = [there.find(({ syn }) => syn), back.find(({ syn }) => syn), there.find(({ syn }) => !syn)];
    return {
      wire: wire.map((segment) => segment && markerIn(segment.options)),
      agreed: ends.map((end) => end.agreed),
    };
  } finally {
    await client.stop('SIGKILL');
  }
}

function expectInBand({ wire, agreed }: Handshake): void {
  expect(wire.slice(1)).to.deep.equal([IN_BAND, IN_BAND]);
  expect(agreed).to.deep.equal([undefined, undefined]);
}

function expectAgreed({ wire, agreed }: Handshake, number: number): void {
  const [syn, ...others] = wire;
  expect(syn).to.include({ version: 2, what: 5 }).and.have.property('checks');
  expect(others).to.deep.equal([
    { version: 2, what: 5, epoch: EPOCH },
    { version: 2, what: 5, epoch: EPOCH, number },
  ]);
  const agreement = { what: 'direct', epoch: EPOCH, number };
  expect(agreed).to.deep.equal([agreement, agreement]);
}

describe('keys by name in the TCP handshake', () => {
  before(async () => {
    await lab.up();
    for (const node of ['a', 'b'] as const) {
      setChannel(node, true);
      await lab.spawn(node, ['python3', '-c', LISTENER, String(PORT)]).listening(PORT);
    }
  });
  beforeEach(() => {
    for (const node of ['a', 'b'] as const) setChannel(node, true);
    putEpoch('a', inSeconds(600));
    putNodeEpoch('b', 'a', inSeconds(600));
  });

  it('the first connection of a node shows that its markers arrive, and is in-band; the next ones are not, and have a number each', async () => {
    expectInBand(await connect('a', 'b', 'IPv4'));
    expectAgreed(await connect('a', 'b', 'IPv4'), 0);
    expect(JSON.parse(onMap('a', 'lookup', 'epochs', 'key', ...hex(EPOCH)))).to.be.an('object');
    putEpoch('a', inSeconds(600), 7);
    expectAgreed(await connect('a', 'b', 'IPv6'), 7);
  });

  for (const family of FAMILIES) {
    it(`${family}: the last number is given, and none behind it`, async () => {
      putEpoch('a', inSeconds(600), FLOWS - 1);
      expectAgreed(await connect('a', 'b', family), FLOWS - 1);
      const { wire, agreed } = await connect('a', 'b', family);
      expect(wire[1]).to.deep.equal({ version: 2, what: 5, epoch: EPOCH });
      expect(wire[2]).to.deep.equal(IN_BAND);
      expect(agreed).to.deep.equal([undefined, undefined]);
    });
  }

  it('an epoch that takes no flow any more is not named, and one that is none of ours not taken', async () => {
    putNodeEpoch('b', 'a', inSeconds(-1));
    expectInBand(await connect('a', 'b', 'IPv4'));
    putNodeEpoch('b', 'a', inSeconds(600));
    putEpoch('a', inSeconds(-1));
    expect((await connect('a', 'b', 'IPv4')).agreed).to.deep.equal([undefined, undefined]);
    onMap('a', 'delete', 'epochs', 'key', ...hex(EPOCH));
    const { wire, agreed } = await connect('a', 'b', 'IPv4');
    expect(wire.slice(1)).to.deep.equal([{ version: 2, what: 5, epoch: EPOCH }, IN_BAND]);
    expect(agreed).to.deep.equal([undefined, undefined]);
  });

  it('beside an agent that has no channels each understands the other, whoever connects', async () => {
    setChannel('b', false);
    const asked = await connect('a', 'b', 'IPv4');
    expect(asked.wire[0]).to.include({ version: 2 });
    expectInBand(asked);
    const asking = await connect('b', 'a', 'IPv4');
    expect(asking.wire[0]).to.deep.equal(IN_BAND);
    expectInBand(asking);
  });

  it('between two of the same node as well', async () => {
    putNodeEpoch('a', 'a', inSeconds(600));
    await connect('a', 'a', 'IPv4');
    const { agreed } = await connect('a', 'a', 'IPv4');
    expect(agreed).to.deep.equal([
      { what: 'direct', epoch: EPOCH, number: 0 },
      { what: 'direct', epoch: EPOCH, number: 0 },
    ]);
  });
});
