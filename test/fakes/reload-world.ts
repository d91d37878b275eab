// SPDX-License-Identifier: Apache-2.0
/** A reloader with all that it works on in memory, but for the files. */
import { loadConfig } from '../../src/config/load.js';
import { formatAddress } from '../../src/shared/net/address.js';
import { TlshubError } from '../../src/shared/errors/errors.js';
import type { GateFds, GateSettings, MeshEntry } from '../../src/shared/kernel/kernel-addon.js';
import { DirectoryHistory } from '../../src/supervisor/settings/directory.js';
import { NodeNumbers } from '../../src/supervisor/gate/node-numbers.js';
import { GateUpdate } from '../../src/supervisor/gate/settings.js';
import { MappingSources } from '../../src/supervisor/settings/mapping-sources.js';
import { ProviderSwitch, planKey } from '../../src/supervisor/provider/switch.js';
import { knownProvider } from '../../src/supervisor/provider/known.js';
import { Reloader } from '../../src/supervisor/settings/reload.js';
import { InForce, firstSettings } from '../../src/supervisor/settings/in-force.js';
import { FDS } from './fake-kernel.js';
import { FakeProvider } from './fake-provider.js';
import { memoryLogger } from './memory-logger.js';
import type { NodeFiles } from './settings.js';

/** The kernel's part: what lies in the mesh after each write, and the settings. */
class FakeGate {
  readonly mesh = new Map<string, boolean>();
  /** by the same names: of the node that has it */
  readonly nodes = new Map<string, number>();
  readonly settings: GateSettings[] = [];
  room = Infinity;
  /** called before each write */
  watch: () => void = () => undefined;

  putMesh(_fd: number, entries: MeshEntry[]): void {
    this.watch();
    for (const { addr, prefix, local, node } of entries) {
      const name = `${formatAddress(addr)}/${prefix}`;
      if (!this.mesh.has(name) && this.mesh.size >= this.room) throw new TlshubError('TLSHUB_SYS', 'no room');
      this.mesh.set(name, local);
      this.nodes.set(name, node);
    }
  }

  dropMesh(_fd: number, entries: MeshEntry[]): void {
    this.watch();
    for (const { addr, prefix } of entries) this.mesh.delete(`${formatAddress(addr)}/${prefix}`);
  }
}

export class World {
  readonly gate = new FakeGate();
  readonly numbers = new NodeNumbers();
  readonly made: FakeProvider[] = [];
  readonly lines: ReturnType<typeof memoryLogger>['lines'];
  draining = false;
  revoked = 0;
  /** what the next provider does instead of coming up */
  broken: Error | undefined;

  private constructor(
    readonly files: NodeFiles,
    readonly inForce: InForce,
    readonly provider: ProviderSwitch,
    readonly reloader: Reloader,
    readonly directory: DirectoryHistory,
    lines: World['lines'],
  ) {
    this.lines = lines;
  }

  static async make(files: NodeFiles): Promise<World> {
    const { log, lines } = memoryLogger();
    const sources = new MappingSources(log);
    const settings = await firstSettings(loadConfig(files.config), sources);
    const inForce = new InForce(settings);
    const directory = new DirectoryHistory(settings);
    const holder: { world?: World } = {};
    const plan: ConstructorParameters<typeof Reloader>[0]['plan'] = ({ config, credentials }) => {
      const name = knownProvider(config.mode);
      return {
        name,
        key: planKey(name, credentials, config.openssl),
        create: () => {
          const { world } = holder;
          if (world?.broken !== undefined) return Promise.reject(world.broken);
          const provider = new FakeProvider(name);
          world?.made.push(provider);
          return Promise.resolve(provider);
        },
      };
    };
    const provider = await ProviderSwitch.start(plan(settings), {
      retireMs: () => 1000,
      onFatal: () => undefined,
      log,
    });
    const gate = {
      putMesh: (fd: number, entries: MeshEntry[]) => holder.world?.gate.putMesh(fd, entries),
      dropMesh: (fd: number, entries: MeshEntry[]) => holder.world?.gate.dropMesh(fd, entries),
      updateSettings: (_fds: GateFds, next: GateSettings) => holder.world?.gate.settings.push(next),
    };
    const reloader = new Reloader({
      configFile: files.config,
      inForce,
      sources,
      provider,
      plan,
      directory,
      gate: new GateUpdate(gate, FDS, (nodes) => holder.world?.numbers.ofOne(nodes) ?? 0),
      scope: { prepare: () => ({ commit: () => undefined, discard: () => undefined }) },
      tryCipher: () => undefined,
      revoke: () => {
        if (holder.world !== undefined) holder.world.revoked++;
        return Promise.resolve(0);
      },
      draining: () => holder.world?.draining ?? false,
      log,
    });
    const world = new World(files, inForce, provider, reloader, directory, lines);
    holder.world = world;
    world.gate.putMesh(
      1,
      [...settings.mapping.entries()].map(({ address, prefix, nodes }) => ({
        addr: address,
        prefix,
        local: nodes.every((node) => node === 'a'),
        node: world.numbers.ofOne(nodes),
      })),
    );
    return world;
  }

  async failure(): Promise<TlshubError> {
    const error: unknown = await this.reloader.reload().catch((thrown: unknown) => thrown);
    if (!(error instanceof TlshubError)) throw new Error(`no coded error: ${String(error)}`);
    return error;
  }

  said(): string[] {
    return this.lines.splice(0).map(({ message }) => message);
  }
}
