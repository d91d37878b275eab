/** The kernel's list of sockets with flow state, read piece by piece: it is as long as there are connections, and memory for it is not. */
import type { KernelAddon } from './native.js';
import { HEAD_BYTES, SWEEP_RECORD_BYTES, SweepView, isSweepRecord, recordBytes } from './records.js';

export type SweepKernel = Pick<KernelAddon, 'openSweep' | 'readSweep' | 'closeFd'>;

/** seq_file gives out at most 8 pages at once (bpf_seq_read in kernel/bpf/bpf_iter.c); what is left of the last record comes before them. */
const PIECE_BYTES = 8 * 4096;

/**
 * Reads the whole list. A record is good until the next one is asked for: take out of it what is to stay, or copy it.
 * @throws NativeError when it cannot be read, RangeError when it ends within a record or nobody can tell where the next one begins
 */
export function* readSweep(kernel: SweepKernel, sweepLinkFd: number): Generator<SweepView> {
  const bytes = new Uint8Array(PIECE_BYTES + SWEEP_RECORD_BYTES);
  const fd = kernel.openSweep(sweepLinkFd);
  try {
    let length = 0;
    // Where the next record begins: beyond what has been read, if a record that is skipped goes on there.
    let at = 0;
    for (;;) {
      const read = kernel.readSweep(fd, bytes, length);
      if (read === 0) break;
      length += read;
      const view = new DataView(bytes.buffer, 0, length);
      while (length - at >= HEAD_BYTES) {
        const size = recordBytes(view, at);
        const known = isSweepRecord(view, at);
        if (known && length - at < size) break;
        if (known) yield new SweepView(view, at);
        at += size;
      }
      const used = Math.min(at, length);
      bytes.copyWithin(0, used, length);
      length -= used;
      at -= used;
    }
    if (length + at > 0) throw new RangeError('the sweep ends within a record');
  } finally {
    kernel.closeFd(fd);
  }
}
