#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/** The command `tlshub_bench`. */
import { CommanderError } from 'commander';
import { parseOptions } from '../load/options.js';
import { GRACE_SECONDS, runBench } from '../load/run.js';
import { EXIT, asTlshubError, describeError } from '../shared/errors/errors.js';

const out = (text: string): void => void process.stdout.write(text);
const err = (text: string): void => void process.stderr.write(text);

// `tlshub_bench ... | head`: the reader has seen enough, and the files are still to be written.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

function onStop(stop: (graceSeconds: number) => void): void {
  let signals = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => stop(signals++ === 0 ? GRACE_SECONDS : 0));
}

try {
  const options = parseOptions(process.argv.slice(2), out, err);
  process.exitCode = await runBench(options, { out, err, terminal: process.stderr.isTTY, onStop });
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  } else {
    err(`tlshub_bench: ${describeError(error)}\n`);
    process.exitCode = asTlshubError(error).exitCode;
  }
}
