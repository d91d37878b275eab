/** The kernel's list of sockets with flow state, read piece by piece: it is as long as there are connections, and memory for it is not. */
import { read } from 'node:fs';
import { promisify } from 'node:util';
import { TlshubError, toWire } from '../errors/errors.js';
import type { KernelAddon, Sweep } from './kernel-addon.js';
import { HEAD_BYTES, SWEEP_RECORD_BYTES, SweepView, isSweepRecord, recordBytes } from './records.js';

export type SweepKernel = Pick<KernelAddon, 'openSweep'>;

/** seq_file gives out at most 8 pages at once (bpf_seq_read in kernel/bpf/bpf_iter.c); what is left of the last record comes before them. */
const PIECE_BYTES = 8 * 4096;

/** What has been read and not been used up. */
class Pieces {
  readonly bytes = new Uint8Array(PIECE_BYTES + SWEEP_RECORD_BYTES);
  /** of a record that has not come whole; the next piece belongs behind them */
  length = 0;
  /** Where the next record begins: beyond what has been read, if a record that is skipped goes on there. */
  private at = 0;

  /** The records that are whole by so many bytes more. To be gone through before the next piece is read. */
  *take(read: number): Generator<SweepView> {
    this.length += read;
    const view = new DataView(this.bytes.buffer, 0, this.length);
    while (this.length - this.at >= HEAD_BYTES) {
      const size = recordBytes(view, this.at);
      const known = isSweepRecord(view, this.at);
      if (known && this.length - this.at < size) break;
      if (known) yield new SweepView(view, this.at);
      this.at += size;
    }
    const used = Math.min(this.at, this.length);
    this.bytes.copyWithin(0, used, this.length);
    this.length -= used;
    this.at -= used;
  }

  /** @throws RangeError */
  end(): void {
    if (this.length + this.at > 0) throw new RangeError('the sweep ends within a record');
  }
}

/**
 * Reads the whole list. A record is good until the next one is asked for: take out of it what is to stay, or copy it.
 * @throws NativeError when it cannot be read, RangeError when it ends within a record or nobody can tell where the next one begins
 */
export function* readSweep(kernel: SweepKernel, sweepLinkFd: number): Generator<SweepView> {
  const pieces = new Pieces();
  const sweep = kernel.openSweep(sweepLinkFd);
  try {
    for (let read; (read = sweep.read(pieces.bytes, pieces.length)) > 0;) yield* pieces.take(read);
    pieces.end();
  } finally {
    sweep.close();
  }
}

/** As `Sweep.read` of the addon, but a thread of libuv does it, and the event loop goes on. */
export type ReadPiece = (sweep: Sweep, into: Uint8Array, from: number) => Promise<number>;

/**
 * The same list without keeping the event loop: the records of one piece after the other, each piece in a turn of its own. A piece has to be
 * gone through before the next one is asked for.
 * @throws (rejects) as `readSweep`
 */
export async function* readSweepGradually(
  kernel: SweepKernel,
  sweepLinkFd: number,
  readPiece: ReadPiece = readInThread,
): AsyncGenerator<Iterable<SweepView>> {
  const pieces = new Pieces();
  const sweep = kernel.openSweep(sweepLinkFd);
  try {
    for (let read; (read = await readPiece(sweep, pieces.bytes, pieces.length)) > 0;) yield pieces.take(read);
    pieces.end();
  } finally {
    sweep.close();
  }
}

const readAsync = promisify(read);

async function readInThread({ fd }: Sweep, into: Uint8Array, from: number): Promise<number> {
  for (;;) {
    try {
      // Without a position: an iterator can only be read onwards.
      return (await readAsync(fd, into, from, into.length - from, null)).bytesRead;
    } catch (cause) {
      const { errno, syscall, message } = toWire(cause);
      // The kernel has gone through a million sockets without one that has flow state (bpf_seq_read): it wants to be asked again.
      if (errno === 'EAGAIN') continue;
      const options = { cause, ...(errno && { errno }), ...(syscall && { syscall }) };
      throw new TlshubError('TLSHUB_SYS', `cannot read the sweep: ${message}`, options);
    }
  }
}
