// SPDX-License-Identifier: Apache-2.0
/**
 * Changes of the settings in force: a reload (SIGHUP, `tlshubctl reload`), another mode (`tlshubctl mode set`), another mapping that its
 * source tells of. One after the other, each in the same way:
 *
 *   1. read and check everything, and make what can fail: the provider's threads, the kernel's new addresses. Whatever goes wrong until
 *      here is undone, and nothing has happened.
 *   2. swap, in one turn of the event loop.
 *   3. tidy up: addresses that went, connections that are forbidden now. What is not tidied up yet refuses connections, it lets none through.
 */
import { compareConfigs, withMode, withRunning, type ConfigChange } from '../../config/changes.js';
import { loadConfig } from '../../config/load.js';
import type { Config } from '../../config/schema.js';
import type { ReloadReport } from '../../report/reload.js';
import type { ConfigErrorReport } from '../../report/status.js';
import type { Logger } from '../../logging/logger.js';
import { diffMappingsGradually, isEmptyDiff } from '../../mapping/diff.js';
import type { PodNodeMapping } from '../../mapping/pod-node-mapping.js';
import type { MappingChange } from '../../mapping/source.js';
import { ReloadError, placeOf, toWire } from '../../shared/errors/errors.js';
import type { PreparedScope, Scope } from '../gate/cgroups.js';
import type { HandshakeCredentials } from '../../shared/kernel/handshake-addon.js';
import type { CipherName } from '../../shared/kernel/words.js';
import { undoAndThrow } from '../../shared/async/undo.js';
import { configLine, describeChanges } from './changes.js';
import { checkCredentials, readCredentials } from './credentials.js';
import { endpointsBy, readEndpoints } from './endpoints.js';
import type { DirectoryHistory } from './directory.js';
import type { GateUpdate } from '../gate/settings.js';
import type { MappingSources, PreparedMapping } from './mapping-sources.js';
import { readOtlpFiles } from './otlp-files.js';
import type { PreparedProvider, ProviderPlan, ProviderSwitch, SwitchResult } from '../provider/switch.js';
import type { InForce, Settings } from './in-force.js';

export interface ReloaderParts {
  configFile: string;
  inForce: InForce;
  sources: MappingSources;
  provider: Pick<ProviderSwitch, 'prepare'>;
  /** @throws ProviderUnavailableError */
  plan(settings: Settings): ProviderPlan;
  directory: DirectoryHistory;
  gate: GateUpdate;
  scope: Pick<Scope, 'prepare'>;
  /** The kernel can do this cipher. @throws TLSHUB_SYS */
  tryCipher: (cipher: CipherName) => void;
  /** Ends what the settings in force forbid; returns how many. */
  revoke(): Promise<number>;
  draining(): boolean;
  log: Logger;
}

export class Reloader {
  /** of the last reload that failed; null: what is in force is the newest that was tried */
  lastError: ConfigErrorReport | null = null;
  /** why new certificate files could not be taken up; null: those in force are the newest that were tried */
  lastCredentialsError: ConfigErrorReport | null = null;
  /** values of the file that wait for a restart */
  waiting: ConfigChange[] = [];
  readonly counts = { succeeded: 0, failed: 0 };
  private queue: Promise<unknown> = Promise.resolve();
  /** a reload that has not begun: whoever asks now is served by it */
  private asked: Promise<ReloadReport> | undefined;

  constructor(private readonly parts: ReloaderParts) {}

  /**
   * Reads everything anew. Whoever asks while one is under way gets the next one, which begins after: what was written before the
   * question is in force when it is answered.
   * @throws (rejects) ReloadError while draining, ConfigError, MappingError, CredentialsError, EndpointsError and what a provider throws that does not
   *   come up; then the settings are as before
   */
  reload(): Promise<ReloadReport> {
    this.asked ??= this.inTurn(async () => {
      this.asked = undefined;
      try {
        const report = await this.readAndChange();
        this.counts.succeeded++;
        this.lastError = null;
        this.lastCredentialsError = null;
        return report;
      } catch (error) {
        this.counts.failed++;
        this.lastError = failureNow(error);
        this.parts.log.error('nothing was reloaded: what was in force stays in force', { error });
        throw error;
      }
    });
    return this.asked;
  }

  /** @throws as `reload` */
  setMode(mode: Config['mode']): Promise<SwitchResult> {
    return this.inTurn(async () => {
      const before = this.parts.inForce.current;
      const result = await this.change({ ...before, config: withMode(before.config, mode) });
      return { mode: result.mode, previous: result.previous };
    });
  }

  /** Puts a mapping in force that its source tells of. Never rejects. */
  mappingChanged({ mapping }: MappingChange): Promise<void> {
    return this.inTurn(async () => {
      try {
        const before = this.parts.inForce.current;
        const endpoints = endpointsBy(before.config, before.endpoints, mapping);
        await this.change({ ...before, mapping, endpoints });
      } catch (error) {
        this.parts.log.error('the new mapping could not be put in force: the old one stays', { error });
      }
    });
  }

  /**
   * Takes new files of the node's CA, certificate and key up, if there is something new in them; the rest of the configuration is not read.
   * Never rejects: what is wrong with them is logged, and all stays as it is.
   */
  credentialsChanged(): Promise<void> {
    return this.inTurn(async () => {
      const before = this.parts.inForce.current;
      try {
        const credentials = readCredentials(before.config);
        checkCredentials(before.config, credentials);
        if (!sameFiles(before.credentials, credentials)) {
          await this.change({ ...before, credentials });
          this.counts.succeeded++;
        }
        this.lastCredentialsError = null;
      } catch (error) {
        this.counts.failed++;
        this.lastCredentialsError = failureNow(error);
        this.parts.log.error('the new certificates were not taken up: those in force stay', { error });
      }
    });
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    await this.queue;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.queue.then(work);
    this.queue = done.catch(() => undefined);
    return done;
  }

  private async readAndChange(): Promise<ReloadReport> {
    const { configFile, inForce, sources, log, tryCipher } = this.parts;
    this.refuseWhileDraining();
    const before = inForce.current;
    const wanted = loadConfig(configFile);
    const config = withRunning(wanted, before.config);
    const credentials = readCredentials(config);
    checkCredentials(config, credentials);
    for (const cipher of credentials.ciphers) if (!before.credentials.ciphers.includes(cipher)) tryCipher(cipher);
    const read = readEndpoints(config);
    const otlpFiles = readOtlpFiles(config);
    const prepared = await sources.prepare(config);
    const endpoints = endpointsBy(config, read, prepared.mapping);
    const { mapping } = prepared;
    const { changes } = await this.change({ config, credentials, endpoints, otlpFiles, mapping }, prepared);
    this.waiting = compareConfigs(config, wanted);
    for (const { key, restart = '' } of this.waiting) log.warning(`${key} needs a restart to change: ${restart}`);
    if (changes.length === 0) log.info('reloaded: nothing has changed');
    return { changes, needsRestart: this.waiting.map(configLine) };
  }

  /** @throws when nothing has happened */
  private async change(wanted: Settings, mapping?: PreparedMapping): Promise<SwitchResult & { changes: string[] }> {
    const { inForce, directory, gate, log, provider, scope } = this.parts;
    const before = inForce.current;
    const pods = await diffMappingsGradually(before.mapping, wanted.mapping);
    const after = isEmptyDiff(pods) ? { ...wanted, mapping: keepIfSame(before.mapping, wanted.mapping) } : wanted;
    let next: PreparedProvider | undefined;
    let captured: PreparedScope | undefined;
    directory.announce(after);
    try {
      next = await provider.prepare(this.parts.plan(after));
      await gate.widen(before, after);
      this.refuseWhileDraining();
      captured = scope.prepare(after.config.capture.cgroup);
      gate.apply(after);
    } catch (error) {
      return await undoAndThrow(error, [
        () => directory.announce(undefined),
        () => captured?.discard(),
        () => mapping?.discard(),
        () => next?.discard(),
        () => gate.undo(before, after),
      ]);
    }
    const result = next.commit();
    directory.swap(after);
    inForce.swap(after);
    mapping?.commit();
    captured.commit();

    const changes = describeChanges(before, after, pods);
    for (const line of changes) log.info(`changed: ${line}`);
    try {
      await gate.narrow(before, after);
      const revoked = after.config.revokeOnReload && changes.length > 0 ? await this.parts.revoke() : 0;
      if (revoked > 0) log.warning(`closed ${revoked} connections that are no longer allowed`);
    } catch (error) {
      log.error('the new settings are in force, but not everything of the old ones could be cleared away', { error });
    }
    return { ...result, changes };
  }

  private refuseWhileDraining(): void {
    if (this.parts.draining()) throw new ReloadError('the agent is shutting down: nothing is changed any more');
  }
}

function failureNow(error: unknown): ConfigErrorReport {
  return { at: new Date().toISOString(), error: toWire(error), ...placeOf(error) };
}

function sameFiles(one: HandshakeCredentials, other: HandshakeCredentials): boolean {
  return one.caPem === other.caPem && one.certPem === other.certPem && one.keyPem === other.keyPem;
}

/** Of two with the same pods, the old one if they stand in the same order: mappings may be large, and one of them is enough. */
function keepIfSame(before: PodNodeMapping, after: PodNodeMapping): PodNodeMapping {
  const names = before.names();
  for (const name of after.names()) if (names.next().value !== name) return after;
  return before;
}
