// SPDX-License-Identifier: Apache-2.0
/**
 * The whole native boundary: what the addons offer, as types, and the one loader.
 *
 * Every function throws a `NativeError` (code `TLSHUB_SYS` with `errno`, `syscall` and a message) on a failed system call, and a
 * `TypeError` for arguments of the wrong shape.
 *
 * What has an end is an object: a method closes it, after which its methods throw a TypeError. Maps and sockets are plain descriptors all the
 * same, in records that name them: several threads work with them at once, and an object of Node-API belongs to one of them. Their owner is
 * the `Gate` or the `OpenPins` that they come from.
 */
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { builtFile } from '../files/package.js';
import type { TlshubAddon } from './tlshub-addon.js';
import type { ChannelsAddon } from './channel-addon.js';
import type { HandshakeAddon } from './handshake-addon.js';
import type { KernelAddon } from './kernel-addon.js';
import type { TlsLibrary } from './words.js';

const require = createRequire(import.meta.url);

function fileOf(name: string): string {
  return builtFile(`native/${name}.node`);
}

function load(name: string): unknown {
  return require(fileOf(name));
}

/**
 * As `load`, but the addon looks for functions in its own libraries first. Node exports OpenSSL's functions, and those of BoringSSL have
 * the same names: loaded the ordinary way, the addon would call a mixture of both.
 */
function loadApart(name: string): unknown {
  const module = { exports: {} };
  const { RTLD_NOW, RTLD_DEEPBIND } = constants.dlopen;
  process.dlopen(module, fileOf(name), RTLD_NOW | RTLD_DEEPBIND);
  return module.exports;
}

let kernelAddon: KernelAddon | undefined;
const handshakeAddons: Partial<Record<TlsLibrary, HandshakeAddon & ChannelsAddon>> = {};
let tlshubAddon: TlshubAddon | undefined;

export function kernel(): KernelAddon {
  return (kernelAddon ??= load('tlshub_kernel') as KernelAddon);
}

/** @throws Error with code TLSHUB_LIBRARY_FOREIGN if the addon's calls would reach another TLS library than it was made for */
export function handshakeAddon(library: TlsLibrary): HandshakeAddon & ChannelsAddon {
  return (handshakeAddons[library] ??= (
    library === 'boringssl' ? loadApart('tlshub_boringssl') : load('tlshub_openssl')
  ) as HandshakeAddon & ChannelsAddon);
}

export function tlshubNetlink(): TlshubAddon {
  return (tlshubAddon ??= load('tlshub_netlink') as TlshubAddon);
}
