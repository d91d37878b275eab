// SPDX-License-Identifier: Apache-2.0
/**
 * Recordings of the wire, by tcpdump on the bridge between the nodes as `scripts/lab sniff` has it, without the starts of a shell of that
 * size and without its wait for the kernel's last block (test/programs/mark.c): tests record more than a hundred times.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { Capture } from '../../wire/capture.js';
import { Program } from './program.js';
import { waitFor } from './wait.js';

/** Where it is recorded unless the test says otherwise. */
const PCAP = '/tmp/tlshub-lab.pcap';
/** A large buffer (64 MiB), since large frames come faster than an emulated machine writes them; no frame is ever cut. */
const TCPDUMP = ['tcpdump', '-i', 'br0', '-n', '-U', '-B', '65536', '-s', '262144', '-Z', 'root', '-w'];
/** More than what can lie behind the mark in the file. */
const TAIL = 2 << 20;
const PATIENCE_MS = 30_000;
const MARK = resolve('build/programs/mark');

export interface Sniffer {
  /** ends the recording when all frames sent so far are in it, and reads it */
  stop(): Promise<Capture>;
}

/** The end of a file. */
function tail(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(size, TAIL));
    return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, size - buffer.length));
  } finally {
    closeSync(file);
  }
}

/** Records every frame between the nodes from now on. */
export async function startSniffer(file = PCAP): Promise<Sniffer> {
  rmSync(file, { force: true });
  const tcpdump = Program.betweenNodes([...TCPDUMP, file]);
  const alive = (): void => {
    if (!tcpdump.running) throw new Error(`tcpdump has ended: ${tcpdump.stderr}`);
  };
  const listening = (): boolean => {
    alive();
    return tcpdump.stderr.includes('listening on'); // its ring is set up by then
  };
  await waitFor(listening, PATIENCE_MS, 'tcpdump to record', 5);
  return {
    async stop() {
      const mark = `end-of-capture-${randomUUID()}`;
      // By the node outside the mesh.
      const marking = await Program.start('c', [MARK, 'eth0', mark]).ended;
      if (marking.code !== 0) throw new Error(`the end of the capture cannot be marked: ${marking.stderr}`);
      const whole = (): boolean => {
        alive();
        return tail(file).includes(mark);
      };
      await waitFor(whole, PATIENCE_MS, () => `the end of the capture in ${file}; tcpdump said: ${tcpdump.stderr}`, 5);
      const { stderr } = await tcpdump.stop('SIGINT');
      if (!/^0 packets dropped by kernel/m.test(stderr)) throw new Error(`the capture is not complete: ${stderr}`);
      return Capture.read(file, mark);
    },
  };
}
