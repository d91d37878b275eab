#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/**
 * `tlshub_handshake CLIENT_IP SERVER_IP`: three handshakes of the TLSHub module between two pods, on random ports. Exit status 0 when all
 * three were done within 30 s.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { EXIT, TlshubError, asTlshubError, describeError } from '../shared/errors/errors.js';
import { TLSHUB_PROTOCOL, TlshubClient } from '../tlshub/client.js';

const HANDSHAKES = 3;
const LIMIT_MS = 30_000;
const PAUSE_MS = 1000;
/** Ports of the original's sample: neither well-known nor at the upper end. */
const PORTS = [10_000, 65_001] as const;

interface Options {
  protocol: number;
  portId: number;
}

function number(max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
    if (value <= max) return value;
    throw new InvalidArgumentError(`a whole number up to ${max} is wanted`);
  };
}

async function handshakes(clientAddress: string, serverAddress: string, options: Options): Promise<void> {
  const until = performance.now() + LIMIT_MS;
  const signal = AbortSignal.timeout(LIMIT_MS);
  const left = (): { signal: AbortSignal; timeoutMs: number } => ({
    signal,
    timeoutMs: Math.max(1, until - performance.now()),
  });
  const client = new TlshubClient({
    protocol: options.protocol,
    peerPortId: options.portId,
    onLog: (line) => process.stdout.write(`TLSHub: ${line}\n`),
  });
  try {
    await client.init(left());
    for (let i = 1; i <= HANDSHAKES; i++) {
      const clientPort = randomInt(...PORTS);
      const serverPort = randomInt(...PORTS);
      const names = `${clientAddress}:${clientPort} -> ${serverAddress}:${serverPort}`;
      const result = await client.handshake({ clientAddress, serverAddress, clientPort, serverPort }, left());
      if (result.status === 'failed') throw new TlshubError('TLSHUB_MODULE_REFUSED', `${names}: ${result.message}`);
      process.stdout.write(`${names}: ${result.status}\n`);
      if (i < HANDSHAKES) await sleep(PAUSE_MS, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new TlshubError('TLSHUB_MODULE_TIMEOUT', `not done within ${LIMIT_MS / 1000} s`, { cause: error });
  } finally {
    client.close();
  }
}

const program = new Command('tlshub_handshake')
  .description('Asks the TLSHub kernel module for three handshakes between two pods, on random ports.')
  .argument('<client-ip>', "IPv4 address of the client's pod, on this node")
  .argument('<server-ip>', "IPv4 address of the server's pod")
  .option('--protocol <n>', 'netlink protocol of the module', number(31), TLSHUB_PROTOCOL)
  .option('--port-id <n>', 'netlink port id that answers: 0, the kernel, except in tests', number(0xffffffff), 0)
  .exitOverride()
  .action((client: string, server: string, options: Options) => handshakes(client, server, options));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  } else {
    process.stderr.write(`tlshub_handshake: ${describeError(error)}\n`);
    process.exitCode = asTlshubError(error).exitCode;
  }
}
