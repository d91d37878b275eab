// SPDX-License-Identifier: Apache-2.0
/** Key providers: their libraries, their threads, and the TLSHub module. */
import { EXIT, type ErrorEntry } from './entry.js';

export const PROVIDER_ERRORS = {
  TLSHUB_PROVIDER_UNAVAILABLE: {
    exitCode: EXIT.config,
    meaning: 'The key provider that `mode` names cannot be used here.',
    remedy: 'Set `mode` to a provider that this build has.',
  },
  TLSHUB_PROVIDER_START: {
    exitCode: EXIT.failed,
    meaning: 'The library or the threads of a key provider do not come up.',
    remedy:
      'The message names the cause; for a missing libssl.so.0 install the package android-libboringssl. A switch that fails changes nothing.',
  },
  TLSHUB_LIBRARY_FOREIGN: {
    exitCode: EXIT.failed,
    meaning:
      'The calls of an addon reach another TLS library than the one it was made for; it refuses to run on a mixture.',
    remedy: 'Run `npm run build` in the checkout, and do not preload TLS libraries (LD_PRELOAD) into the supervisor.',
  },
  TLSHUB_MODULE_MISSING: {
    exitCode: EXIT.kernelUnsupported,
    meaning: 'Nobody answers on the netlink protocol of the TLSHub kernel module.',
    remedy: 'Load the module (`modprobe tlshub`); netlink_protocol in capture.conf must be its number.',
  },
  TLSHUB_MODULE_TIMEOUT: {
    exitCode: EXIT.failed,
    meaning: 'The TLSHub kernel module did not answer a request in time.',
    remedy: "Look at the module's log (dmesg), and whether the peer node has the module loaded.",
  },
  TLSHUB_MODULE_PROTOCOL: {
    exitCode: EXIT.failed,
    meaning: 'A reply of the TLSHub kernel module is malformed or does not answer the request.',
    remedy: 'The module is of another version than docs/TLSHUB_API.md describes.',
  },
  TLSHUB_MODULE_REFUSED: {
    exitCode: EXIT.failed,
    meaning: 'The TLSHub kernel module could not complete its handshake with the peer node.',
    remedy: "Look at the module's log (dmesg) on both nodes.",
  },
  TLSHUB_NO_KEY: {
    exitCode: EXIT.failed,
    meaning: 'The TLSHub kernel module had no key for the connection until its deadline.',
    remedy: 'Check that the peer node runs in mode tlshub too, and its log.',
  },
  TLSHUB_IPV4_ONLY: {
    exitCode: EXIT.failed,
    meaning: 'TLSHub names connections by IPv4 addresses, and this one has others.',
    remedy: 'Use IPv4 between these pods, or another mode.',
  },
  TLSHUB_PEER_AMBIGUOUS: {
    exitCode: EXIT.failed,
    meaning: 'The mapping gives several nodes for an address, and out of band nothing shows which it is.',
    remedy: 'Give each address of the mapping one node, or use another mode.',
  },
  TLSHUB_CLIENT_CLOSED: {
    exitCode: EXIT.failed,
    meaning: 'A TLSHub client was used after it was closed.',
    remedy: 'Make a new one.',
  },
  TLSHUB_SECRETS: {
    exitCode: EXIT.failed,
    meaning:
      "A connection's secrets could not be kept, or were gone when its keys were to be set: the connection is refused.",
    remedy:
      'Secrets that nobody takes are wiped after a minute: look whether the installer stands still (`tlshubctl status -v`). If there is no memory, raise the limit of the agent (MemoryMax).',
  },
} as const satisfies Record<string, ErrorEntry>;
