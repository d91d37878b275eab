// SPDX-License-Identifier: Apache-2.0
/**
 * Every kind of socket that this kernel has, its modules included. Data of RDS, SMC, KCM and MPTCP leaves by TCP connections of the kernel's own
 * that no hook of the gate sees: a captured program gets none of them, nor any kind that the gate's list does not name.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { expect } from 'chai';
import { lab } from '../harness/index.js';
import { Peer, step, type Step } from '../harness/peer.js';

/** include/linux/socket.h: AF_MAX is 46 on all three kernels, and the next ones are there to be found. */
const FAMILIES = 50;
const INET = [2, 10] as const;
/** Protocols of the core kernel, which no module is loaded for: TCP, UDP, ICMP, UDP-Lite, MPTCP, SMC (from 6.11 on). */
const BUILT_IN = [1, 6, 17, 58, 136, 256, 262] as const;
/** unix, key, netlink, packet, CAN, Bluetooth, ALG, vsock, XDP */
const FREE_FAMILIES = new Set([1, 15, 16, 17, 29, 31, 38, 40, 44]);
/** the type's own, ICMP, TCP, UDP, ICMPv6, SCTP, UDP-Lite */
const FREE_PROTOCOLS = new Set([0, 1, 6, 17, 58, 132, 136]);
const RAW = 3;
const PACKET = 10;

const aliases = readFileSync(`/lib/modules/${release()}/modules.alias`, 'utf8');

/** Those of families and of IP's protocols, also where the distribution does not load them for whoever asks. */
function loadModules(): void {
  const wanted = /^alias net-pf-(?:\d+|(?:2|10)-proto-\S+) (\S+)/gm;
  const modules = [...aliases.matchAll(wanted)].map(([, module = '']) => module);
  for (const module of new Set([...modules, 'rds', 'rds_tcp'])) spawnSync('modprobe', ['-q', module]);
}

/** As `FAMILY` and `FAMILY/PROTOCOL`. */
function kinds(): string[] {
  const loadable = [...aliases.matchAll(/^alias net-pf-(?:2|10)-proto-(\d+)/gm)].map(([, protocol]) =>
    Number(protocol),
  );
  const protocols = [...new Set([...BUILT_IN, ...loadable])];
  return [
    ...Array.from({ length: FAMILIES }, (_, family) => String(family)),
    ...INET.flatMap((family) => protocols.map((protocol) => `${family}/${protocol}`)),
  ];
}

function isAllowed(kind: string): boolean {
  const [family = 0, type = 0, protocol = 0] = kind.split('/').map(Number);
  if (!INET.some((inet) => inet === family)) return FREE_FAMILIES.has(family);
  return type === RAW || type === PACKET || FREE_PROTOCOLS.has(protocol);
}

const made = (steps: readonly Step[]): string[] =>
  steps.filter(({ op, result }) => op === 'kind' && result === 0).map(({ data }) => data);

describe('kinds of sockets', () => {
  before(async () => {
    loadModules();
    await lab.need();
  });

  it('a captured program gets those that the gate covers or that have no TCP below, and no other', async function () {
    this.timeout(300_000);
    const wanted = `kinds:${kinds().join(',')}`;
    const before = (await lab.status('a')).gate.socketsRefused ?? 0;
    const [there, captured] = [
      await Peer.start('a', [wanted], { outside: true }).finish(120_000),
      await Peer.start('a', [wanted]).finish(120_000),
    ];
    const all = made(there);
    const refused = all.filter((kind) => !isAllowed(kind));
    process.stdout.write(`      ${all.length} kinds are there; refused: ${refused.join(' ')}\n`);
    // Else this kernel has nothing to show.
    expect(refused, 'MPTCP and RDS').to.include.members(['2/1/262', '21/5/0']);
    expect(made(captured)).to.have.members(all.filter(isAllowed));
    for (const { op, data, error } of captured) {
      if (op !== 'kind' || !refused.includes(data)) continue;
      expect(error, data).to.equal(/^(2|10)\//.test(data) ? 'EPROTONOSUPPORT' : 'EAFNOSUPPORT');
    }
    const { gate } = await lab.status('a');
    expect((gate.socketsRefused ?? 0) - before, 'counted').to.be.at.least(refused.length);
    expect(await lab.logs('a'), 'said').to.match(/refused peer\[\d+\] a socket of family 21/);
  });

  it('one that was made outside carries nothing for a captured program', async () => {
    const path = '/tmp/socket-kinds';
    const giver = Peer.start('a', ['socket:rds', 'bind:10.77.0.1:7100', `connect:10.77.0.2:7100`, `give-fd:${path}`], {
      outside: true,
    });
    const steps = await Peer.run('a', [`take-fd:${path}`, 'once:write:secret']);
    expect(step(steps, 'write')).to.include({ result: -1, error: 'ECONNRESET' });
    await giver.stop();
  });
});
