/** The kernel's list of sockets with flow state, read piece by piece: it is as long as there are connections, and memory for it is not. */
import { SECURED_BYTES, SWEEP_BYTES, SweepView, sweepRecordBytes } from './abi.js';
import type { KernelAddon } from './native.js';

export type SweepKernel = Pick<KernelAddon, 'openSweep'>;

/** seq_file gives out at most 8 pages at once (bpf_seq_read in kernel/bpf/bpf_iter.c); what is left of the last record comes before them. */
const PIECE_BYTES = 8 * 4096;

/**
 * Reads the whole list. A record is good until the next one is asked for: take out of it what is to stay, or copy it.
 * @throws NativeError when it cannot be read, RangeError when it ends within a record
 */
export function* readSweep(kernel: SweepKernel, sweepLinkFd: number): Generator<SweepView> {
  const bytes = new Uint8Array(PIECE_BYTES + SWEEP_BYTES + SECURED_BYTES);
  const sweep = kernel.openSweep(sweepLinkFd);
  try {
    let length = 0;
    for (;;) {
      const read = sweep.read(bytes, length);
      if (read === 0) break;
      length += read;
      const view = new DataView(bytes.buffer, 0, length);
      let at = 0;
      for (let size; (size = sweepRecordBytes(view, at)) > 0; at += size) yield new SweepView(view, at);
      bytes.copyWithin(0, at, length);
      length -= at;
    }
    if (length > 0) throw new RangeError(`the sweep ends ${length} bytes into a record`);
  } finally {
    sweep.close();
  }
}
