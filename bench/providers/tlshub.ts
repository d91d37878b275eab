// SPDX-License-Identifier: Apache-2.0
/**
 * TLSHub: the pools of two nodes with one worker each, made as the supervisor makes them, and a bare loop on the same client
 * (bench/programs/bare_tlshub.cc). The kernel module is stood in for by two processes (test/peers), over real netlink sockets.
 */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { loadConfig } from '../../src/config/load.js';
import { createLogger } from '../../src/logging/logger.js';
import { parseAddress } from '../../src/shared/net/address.js';
import { MessageReceiver } from '../../src/shared/ipc/message-ring.js';
import { Doorbell } from '../../src/shared/ipc/doorbell.js';
import type { Negotiated } from '../../src/shared/ipc/messages.js';
import { kernel } from '../../src/shared/kernel/native.js';
import type { Role } from '../../src/shared/kernel/words.js';
import type { Provider } from '../../src/supervisor/provider/provider.js';
import { RingRegistry } from '../../src/supervisor/provider/ring-registry.js';
import { planTlshub } from '../../src/supervisor/provider/tlshub-plan.js';
import { CLIENT, PROTOCOL, SERVER, startPeer, stopAll } from '../../test/native/tlshub-peers.js';
import { IN_FLIGHT, PER_ROUND, ROUNDS, WARM_UP, drive, nothing, threads, type Sample, type Samples } from './sample.js';

interface Bare {
  run(
    settings: {
      protocol: number;
      clientPeer: number;
      serverPeer: number;
      sockets: number;
      clientAddress: string;
      serverAddress: string;
      clientNode: string;
      serverNode: string;
      cipher: string;
    },
    load: { warmUpPort: number; serverPort: number; count: number; atOnce: number },
  ): { cpuNs: number; latenciesNs: Float64Array };
}

const base = loadConfig('config/capture.conf');
/** TLSHub has its own. */
const NO_CREDENTIALS = { caPem: '', certPem: '', keyPem: '', ciphers: [] };
const CLIENT_NODE = 'a';
const SERVER_NODE = 'b';

/** No connection comes twice: each run is to another port of the server. */
let serverPort = 0;
const nextServerPort = (): number => ++serverPort;

class Node {
  private readonly rings: MessageReceiver<Negotiated>[] = [];
  private pool: Provider | undefined;
  private tickets = 0;

  constructor(
    private readonly name: string,
    private readonly role: Role,
    /** a connection to look at for a byte of the peer's; TLSHub sends none */
    private readonly fd: number,
  ) {}

  async start(portId: number): Promise<void> {
    const tlshub = { ...base.tlshub, poolSize: 1, poolInFlight: 1024, poolQueue: 4096, peerPortId: portId };
    const rings = new RingRegistry();
    rings.attach({
      addRing: (_, ring) => this.rings.push(new MessageReceiver<Negotiated>(ring)),
      dropRing: () => undefined,
    });
    const plan = planTlshub({
      config: { ...base, netlinkProtocol: PROTOCOL, nodeName: this.name, tlshub },
      credentials: NO_CREDENTIALS,
      doorbell: new Doorbell(),
      rings,
      helperParentFd: undefined,
      log: createLogger({ logLevel: 'warning', verbose: false }),
    });
    this.pool = await plan.create((error) => {
      throw error;
    }, true);
  }

  async negotiate(clientPort: number, toPort: number): Promise<void> {
    const ours = { address: parseAddress(CLIENT), port: clientPort, node: CLIENT_NODE, isn: 1 };
    const theirs = { address: parseAddress(SERVER), port: toPort, node: SERVER_NODE, isn: 2 };
    const [local, remote] = this.role === 'active' ? [ours, theirs] : [theirs, ours];
    const ticket = ++this.tickets;
    const negotiation = this.pool?.negotiate({
      names: {
        role: this.role,
        tuple: { local: local.address, remote: remote.address, lport: local.port, rport: remote.port },
        iss: local.isn,
        irs: remote.isn,
        peerNames: [remote.node],
      },
      socket: { ticket, slot: 0, fd: this.fd, cookie: BigInt(ticket), generation: 1, charge: 0 },
      askedNs: 0,
      waitMs: 30_000,
      timeoutMs: 30_000,
      peerHasAgent: false,
    });
    if (negotiation === undefined) throw new Error('the pool is full');
    const outcome = await negotiation.outcome;
    if (!outcome.ok) throw new Error(outcome.reason);
    for (const ring of this.rings) ring.receive(({ secrets }) => kernel().discardSecret(secrets));
  }

  async close(): Promise<void> {
    await this.pool?.close();
  }
}

export async function measureTlshub(): Promise<Samples> {
  const peers = [await startPeer(CLIENT), await startPeer(SERVER)] as const;
  const [near, far] = kernel().loopbackPair();
  const nodes = [new Node(CLIENT_NODE, 'active', near), new Node(SERVER_NODE, 'passive', far)] as const;
  try {
    const before = new Set(threads());
    for (const [at, node] of nodes.entries()) await node.start(peers[at === 0 ? 0 : 1].portId);
    const workers = threads().filter((thread) => !before.has(thread));
    const settings = {
      protocol: PROTOCOL,
      clientPeer: peers[0].portId,
      serverPeer: peers[1].portId,
      sockets: base.tlshub.sockets,
      clientAddress: CLIENT,
      serverAddress: SERVER,
      clientNode: CLIENT_NODE,
      serverNode: SERVER_NODE,
      cipher: base.tlshub.cipher,
    };
    const bare = createRequire(import.meta.url)(resolve('build/bench-programs/bare_tlshub.node')) as Bare;
    const runBare = (count: number, atOnce: number): ReturnType<Bare['run']> =>
      bare.run(settings, { warmUpPort: nextServerPort(), serverPort: nextServerPort(), count, atOnce });
    const runPools = (count: number, atOnce: number, sample: Sample): Promise<void> => {
      const toPort = nextServerPort();
      const bothEnds = async (clientPort: number): Promise<void> => {
        await Promise.all(nodes.map((node) => node.negotiate(clientPort, toPort)));
      };
      const ports = Array.from({ length: count }, (_, at) => at + 1);
      return drive(ports, atOnce, workers, bothEnds, sample);
    };

    const samples: Samples = { bare: nothing(), pool: nothing() };
    await runPools(WARM_UP, IN_FLIGHT, nothing());
    const few = Math.ceil(PER_ROUND / 5);
    for (let round = 0; round < ROUNDS; round++) {
      samples.bare.threadMs.push(runBare(PER_ROUND, IN_FLIGHT).cpuNs / 1e6 / PER_ROUND);
      samples.bare.latencyMs.push(...[...runBare(few, 1).latenciesNs].map((ns) => ns / 1e6));
      await runPools(PER_ROUND, IN_FLIGHT, samples.pool);
      await runPools(few, 1, samples.pool);
    }
    return samples;
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
    await stopAll();
    for (const fd of [near, far]) kernel().closeFd(fd);
  }
}
