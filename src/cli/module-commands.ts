// SPDX-License-Identifier: Apache-2.0
/** What the commands of `tlshubctl tlshub` do. */
import { readFileSync, statSync } from 'node:fs';
import { UsageError } from '../shared/errors/errors.js';
import { ModuleControl, type NodeSettings, type PeerSettings } from '../tlshub/module/control.js';
import { generatePrivateKey, parseKey, publicKeyOf } from '../tlshub/module/keys.js';
import { show, type CliContext, type GlobalOptions } from './context.js';
import { keysTable, nodeText, peersTable } from './module-text.js';

export interface NodeOptions {
  /** path */
  privateKey?: string;
  listenPort?: number;
  networks?: string[];
  replaceNetworks?: true;
  lifetimeMs?: number;
  startMs?: number;
}

export interface PeerOptions {
  /** base64 */
  publicKey?: string;
  /** path */
  presharedKey?: string;
  /** ADDRESS:PORT */
  endpoint?: string;
  networks?: string[];
  replaceNetworks?: true;
}

const control = (context: CliContext): ModuleControl => new ModuleControl(context.module());

export function showNode(context: CliContext, options: GlobalOptions): void {
  const node = control(context).node();
  show(context, options, node, () => nodeText(node));
}

export function showPeers(context: CliContext, options: GlobalOptions): void {
  const peers = control(context).peers();
  show(context, options, peers, () => peersTable(peers));
}

export function showKeys(context: CliContext, options: GlobalOptions): void {
  const keys = control(context).flows();
  show(context, options, keys, () => keysTable(keys));
}

export function genkey(context: CliContext, options: GlobalOptions): void {
  const privateKey = generatePrivateKey();
  show(context, options, { privateKey, publicKey: publicKeyOf(privateKey) }, () => privateKey);
}

export function pubkey(context: CliContext, options: GlobalOptions, file: string): void {
  const publicKey = publicKeyOf(keyFile(context, file).toString('latin1'));
  show(context, options, { publicKey }, () => publicKey);
}

export function setNode(context: CliContext, options: GlobalOptions, wanted: NodeOptions): void {
  const { privateKey, ...others } = wanted;
  const settings: NodeSettings = {
    ...others,
    ...(privateKey !== undefined && { privateKey: keyOf(context, privateKey, 'private key') }),
  };
  requireOne(settings, 'set');
  const hub = control(context);
  hub.set(settings);
  const node = hub.node();
  show(context, options, node, () => nodeText(node));
}

export function setPeer(context: CliContext, options: GlobalOptions, name: string, wanted: PeerOptions): void {
  const { publicKey, presharedKey, ...others } = wanted;
  const settings: PeerSettings = {
    ...others,
    ...(publicKey !== undefined && { publicKey: parseKey(publicKey, 'public key') }),
    ...(presharedKey !== undefined && { presharedKey: keyOf(context, presharedKey, 'pre-shared key') }),
  };
  requireOne(wanted, 'set-peer');
  const hub = control(context);
  hub.setPeer(name, settings);
  const peers = hub.peers().filter((peer) => peer.name === name);
  show(context, options, peers[0], () => peersTable(peers));
}

export function removePeer(context: CliContext, options: GlobalOptions, name: string): void {
  control(context).removePeer(name);
  show(context, options, { removed: name }, () => `removed ${name}`);
}

function requireOne(settings: object, command: string): void {
  if (Object.keys(settings).length === 0)
    throw new UsageError(`nothing to change: \`tlshubctl tlshub ${command} --help\` lists what can be`);
}

function keyOf(context: CliContext, path: string, what: string): Uint8Array {
  const text = keyFile(context, path);
  try {
    return parseKey(text.toString('latin1'), what);
  } finally {
    text.fill(0);
  }
}

/** @throws what reading it throws */
function keyFile(context: CliContext, path: string): Buffer {
  const { mode } = statSync(path);
  const [isFile, forOthers] = [(mode & 0o170000) === 0o100000, (mode & 0o077) !== 0];
  if (isFile && forOthers) context.err(`tlshubctl: others than its owner can read ${path}: chmod 600 it\n`);
  return readFileSync(path);
}
