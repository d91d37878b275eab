#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/** The command `tlshubctl`. */
import { releaseGate } from '../release/release.js';
import { handshakeAddon, kernel, tlshubNetlink } from '../shared/kernel/native.js';
import { run } from './program.js';

// `tlshubctl flows | head`: the reader has seen enough, and that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

function untilInterrupted(): AbortSignal {
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => ended.abort());
  return ended.signal;
}

process.exitCode = await run(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  env: process.env,
  probe: () => kernel().probe(),
  library: (name, credentials) => {
    const addon = handshakeAddon(name);
    addon.createContext(credentials);
    return `${addon.libraryVersion()}, ${addon.libraryFile()}`;
  },
  module: tlshubNetlink,
  release: async (options) => releaseGate(kernel(), options),
  uid: process.geteuid?.() ?? -1,
  ...(process.stdout.isTTY && { terminal: () => ({ columns: process.stdout.columns, rows: process.stdout.rows }) }),
  untilInterrupted,
});
