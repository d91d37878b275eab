// SPDX-License-Identifier: Apache-2.0
/**
 * `tlshubctl check --config FILE`: what an agent would say of these files at its start, all of it at once, and what it would only find out
 * later. Nothing is changed, and no agent need run.
 */
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { allErrors } from '../config/all-errors.js';
import { loadConfig, parseConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { NodeEndpoints, formatEndpoint, type Endpoint } from '../mapping/node-endpoints.js';
import { PodNodeMapping } from '../mapping/pod-node-mapping.js';
import { ERROR_CATALOG } from '../shared/errors/catalog.js';
import { EXIT, asTlshubError, placeOf } from '../shared/errors/errors.js';
import type { HandshakeCredentials } from '../shared/kernel/handshake-addon.js';
import { planScope } from '../supervisor/gate/cgroups.js';
import { certificateProblems, certificateReports } from '../supervisor/settings/certificates.js';
import { checkCredentials, keyExposure, readCredentials } from '../supervisor/settings/credentials.js';
import { readOtlpFiles } from '../supervisor/settings/otlp-files.js';
import type { CheckedItem } from './check-text.js';
import type { CliContext } from './context.js';
import { checkNode } from './node-version.js';

/** An item with the exit status of a command that fails by it. */
export interface ConfigItem extends CheckedItem {
  exitCode?: number;
}

const CONNECT_MS = 2000;

export async function checkConfig(context: CliContext, file: string): Promise<ConfigItem[]> {
  const items: ConfigItem[] = [{ ...checkNode(process.version), exitCode: EXIT.failed }];
  const load = (): Config => loadConfig(file, context.env);
  const wrong = errorsOf('configuration', file, load, (text) => parseConfig(text, file, context.env));
  if (wrong.length > 0) {
    const later = 'certificates, mapping, provider and peers are looked at when the configuration can be read';
    return [...items, ...wrong, { name: 'the rest', ok: true, warning: true, detail: later, remedy: '' }];
  }
  const config = load();
  const { items: certificates, credentials } = certificateItems(config);
  return [
    ...items,
    found(
      'configuration',
      `${file}: node ${config.nodeName}, mode ${config.mode}, exchange ${config.exchange}, policy ${config.policy}`,
    ),
    ...certificates,
    ...mappingItems(config),
    ...cgroupItems(config),
    bootGateItem(config),
    ...(credentials === undefined ? [] : [libraryItem(context, config, credentials)]),
    ...(await peerItems(config)),
    ...(await otlpItems(config)),
  ];
}

function found(name: string, detail: string): ConfigItem {
  return { name, ok: true, detail, remedy: '' };
}

function warned(name: string, detail: string, remedy: string): ConfigItem {
  return { name, ok: true, warning: true, detail, remedy };
}

function failed(name: string, error: unknown): ConfigItem {
  const { message, code, remedy = '', exitCode } = asTlshubError(error);
  return { name, ok: false, detail: `${message} (${code})`, remedy, exitCode };
}

/**
 * Everything that is wrong with a text file, an item each.
 * @param load as the agent does it: of a file that cannot be read it is what says so
 */
function errorsOf(name: string, file: string, load: () => unknown, parse: (text: string) => unknown): ConfigItem[] {
  try {
    load();
    return [];
  } catch (error) {
    if (placeOf(error).line === undefined) return [failed(name, error)];
    return allErrors(readFileSync(file, 'utf8'), parse).map((one) => failed(name, one));
  }
}

function certificateItems(config: Config): { items: ConfigItem[]; credentials?: HandshakeCredentials } {
  let credentials: HandshakeCredentials;
  try {
    credentials = readCredentials(config);
    checkCredentials(config, credentials);
  } catch (error) {
    return { items: [failed('certificate', error)] };
  }
  const reports = certificateReports({ config, credentials });
  const items = reports.map(({ key, subject, issuer, notAfter }) =>
    found(key === 'tls.ca' ? 'CA' : 'certificate', `${subject}, by ${issuer}, until ${notAfter.slice(0, 10)}`),
  );
  const soon = certificateProblems(reports, Date.now()).map(({ message, code, remedy }) =>
    warned('certificate', `${message} (${code})`, remedy),
  );
  const exposure = keyExposure(config);
  const key = exposure === undefined ? [] : [warned('key', exposure, ERROR_CATALOG.TLSHUB_KEY_EXPOSED.remedy)];
  return { items: [...items, ...soon, ...key], credentials };
}

function mappingItems(config: Config): ConfigItem[] {
  if (config.podSource !== 'file') return [found('mapping', 'the Pods of a Kubernetes cluster: not asked here')];
  const file = config.podNodeConfig;
  const load = (): PodNodeMapping => PodNodeMapping.load(file);
  const wrong = errorsOf('mapping', file, load, (text) => PodNodeMapping.parse(text, file));
  if (wrong.length > 0) return wrong;
  const mapping = load();
  const nodes = new Set([...mapping.pods()].map(({ node }) => node));
  const items = [
    found('mapping', `${file}: ${mapping.size} pods on ${nodes.size} nodes, ${mapping.networkCount} networks`),
  ];
  if (mapping.networkCount === 0) {
    const { meaning, remedy } = ERROR_CATALOG.TLSHUB_MAPPING_EMPTY;
    items.push(warned('mapping', meaning, remedy));
  } else if (!nodes.has(config.nodeName)) {
    const detail = `no pod is on this node (${config.nodeName}); the mapping has ${[...nodes].slice(0, 5).join(', ')}`;
    items.push(
      warned(
        'mapping',
        detail,
        'Correct node_name, or the second column of the mapping, if pods of this node are to be reached.',
      ),
    );
  }
  return items;
}

function cgroupItems(config: Config): ConfigItem[] {
  const { capture, waiting } = planScope(config.capture.cgroup);
  const { remedy } = ERROR_CATALOG.TLSHUB_CGROUP_AWAITED;
  return [
    ...(capture.length === 0 ? [] : [found('cgroups', capture.join(', '))]),
    ...waiting.map((pattern) => warned('cgroups', `nothing matches ${pattern}: no program is captured by it`, remedy)),
  ];
}

/** What `systemctl enable` and deploy/install make. */
const BOOT_GATE_ENABLED = '/etc/systemd/system/sysinit.target.wants/tlshub-bootgate.service';

export function bootGateItem(
  { bootPolicy }: Pick<Config, 'bootPolicy'>,
  enabled = existsSync(BOOT_GATE_ENABLED),
): ConfigItem {
  const state = enabled ? 'enabled' : 'not enabled on this host';
  const until = 'captured programs speak plaintext from the start of the host until the agent is there';
  if (bootPolicy === 'closed') return found('boot gate', enabled ? `closed, ${state}` : `${state}: ${until}`);
  if (!enabled) return found('boot gate', `boot_policy = ${bootPolicy}, ${state}`);
  const remedy = 'Set boot_policy = closed, or run `systemctl disable tlshub-bootgate`.';
  return warned('boot gate', `${state}, and boot_policy = ${bootPolicy}: ${until}`, remedy);
}

function libraryItem(context: CliContext, config: Config, credentials: HandshakeCredentials): ConfigItem {
  if (config.mode === 'tlshub')
    return found('provider', 'keys by the TLSHub kernel module: asked when the agent starts');
  try {
    return found('provider', context.library(config.mode, credentials));
  } catch (error) {
    const { code } = asTlshubError(error);
    const loads = code !== 'ERR_DLOPEN_FAILED' && code !== 'MODULE_NOT_FOUND';
    const item = failed('provider', error);
    return loads ? item : { ...item, remedy: ERROR_CATALOG.TLSHUB_PROVIDER_START.remedy, exitCode: EXIT.failed };
  }
}

/** Agents of other nodes, where they can be reached for a channel. One that does not answer now costs no connection: it is in-band then. */
async function peerItems(config: Config): Promise<ConfigItem[]> {
  if (config.exchange !== 'channel' || config.nodeEndpoints === '') return [];
  const file = config.nodeEndpoints;
  const load = (): NodeEndpoints => NodeEndpoints.load(file);
  const wrong = errorsOf('peers', file, load, (text) => NodeEndpoints.parse(text, file));
  if (wrong.length > 0) return wrong;
  const endpoints = load();
  const others = [...endpoints.nodes()].filter((node) => node !== config.nodeName);
  return Promise.all(others.map((node) => peerItem(node, endpoints.of(node))));
}

async function peerItem(node: string, endpoint: Endpoint | undefined): Promise<ConfigItem> {
  if (endpoint === undefined) return found('peers', `${node}: nowhere`);
  const why = await unreachable(endpoint);
  const where = `${node} at ${formatEndpoint(endpoint)}`;
  if (why === undefined) return found('peers', `${where} takes connections`);
  return warned(
    'peers',
    `${where}: ${why}`,
    'Start the agent there, or look at route, firewall and channel_listen; connections are in-band meanwhile.',
  );
}

/** The collector of otlp.endpoint. One that does not answer costs metrics and access log, and no connection. */
async function otlpItems(config: Config): Promise<ConfigItem[]> {
  const { endpoint } = config.otlp;
  if (endpoint === '') return [];
  try {
    readOtlpFiles(config);
  } catch (error) {
    return [failed('otlp', error)];
  }
  const { protocol, hostname, port } = new URL(endpoint);
  const address = hostname.replace(/^\[|\]$/g, '');
  const why = await unreachable({ address, port: Number(port) || (protocol === 'https:' ? 443 : 80) });
  if (why === undefined) return [found('otlp', `${endpoint} takes connections`)];
  return [warned('otlp', `${endpoint}: ${why}`, ERROR_CATALOG.TLSHUB_OTLP.remedy)];
}

function unreachable({ address, port }: Endpoint): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: CONNECT_MS });
    const done = (why?: string): void => {
      socket.destroy();
      resolve(why);
    };
    socket.once('connect', () => done());
    socket.once('timeout', () => done(`no answer within ${CONNECT_MS / 1000} s`));
    socket.once('error', (error) => done(error.message));
  });
}
