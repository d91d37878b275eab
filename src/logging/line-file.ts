// SPDX-License-Identifier: Apache-2.0
/**
 * Lines for a file or a stream of this process, written beside the event loop: whoever writes one never waits, and is never told of a failure. What finds no
 * room in the buffer, since the file system or the reader is too slow or takes nothing, is dropped and counted, by whole lines.
 *
 * A file that was moved away or deleted (logrotate) is opened anew at the next look. A failure is tried again at each look, so a disk that has room again, or
 * a folder that was made, needs nobody's hand.
 */
import { close, constants, fstat, open, stat, write, type BigIntStats } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { toWire, type WireError } from '../shared/errors/errors.js';

const openFile = promisify(open);
const closeFile = promisify(close);
const writeTo = promisify(write);
/** With numbers that are exact: inodes have 64 bits. */
const statOf = (path: string): Promise<BigIntStats> => promisify(stat)(path, { bigint: true });
const statOfOpen = (fd: number): Promise<BigIntStats> => promisify(fstat)(fd, { bigint: true });

const STREAMS: Readonly<Record<string, number>> = { stdout: 1, stderr: 2 };
/** Bytes that wait at most. */
const BUFFER_BYTES = 1 << 20;
/** Bytes of one write at most, but for a longer line. */
const BATCH_BYTES = 1 << 16;
/** Before another try with a pipe that is full. */
const FULL_PIPE_MS = 50;
/** For what is left at the end. */
const CLOSE_MS = 1000;

export interface LineFileFigures {
  /** lines since it began */
  written: number;
  dropped: number;
  /** of the last try; null: it went well */
  error: WireError | null;
}

interface OpenFile {
  fd: number;
  /** of a file; undefined: a stream, which cannot be moved */
  identity: string | undefined;
  ours: boolean;
}

interface Batch {
  bytes: Buffer;
  /** bytes of it that are written */
  at: number;
  lines: number;
}

export class LineFile {
  private readonly queue: string[] = [];
  private queued = 0;
  private batch: Batch | undefined;
  private file: OpenFile | undefined;
  private anew = false;
  private running: Promise<void> | undefined;
  private closing = false;
  private readonly counts: LineFileFigures = { written: 0, dropped: 0, error: null };

  /**
   * @param destination `stdout`, `stderr` or a path
   * @param bufferBytes that wait at most
   */
  constructor(
    readonly destination: string,
    private readonly bufferBytes = BUFFER_BYTES,
  ) {
    void this.run();
  }

  get figures(): LineFileFigures {
    return { ...this.counts };
  }

  /** @param line without its end */
  write(line: string): void {
    const bytes = Buffer.byteLength(line) + 1;
    if (this.closing || this.queued + bytes > this.bufferBytes) {
      this.counts.dropped++;
      return;
    }
    this.queue.push(line);
    this.queued += bytes;
    // What has failed is tried again at the next look, not with each line.
    if (this.counts.error === null) void this.run();
  }

  /** To be called every few seconds: has the file been moved away, does it take lines again? */
  look(): void {
    const { file } = this;
    if (file?.identity === undefined) {
      void this.run();
      return;
    }
    statOf(this.destination).then(
      (now) => {
        if (identityOf(now) === file.identity) void this.run();
        else this.reopen();
      },
      () => this.reopen(),
    );
  }

  /** Goes on in the file that has the name now. */
  reopen(): void {
    this.anew = true;
    void this.run();
  }

  /** Writes what is left, for a second at most; what is left then is dropped. */
  async close(): Promise<void> {
    this.closing = true;
    const late = new AbortController();
    await Promise.race([this.run(), sleep(CLOSE_MS, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    this.counts.dropped += this.queue.length + (this.batch?.lines ?? 0);
    this.queue.length = 0;
    this.batch = undefined;
    await this.leave();
  }

  private run(): Promise<void> {
    this.running ??= this.work().finally(() => (this.running = undefined));
    return this.running;
  }

  private async work(): Promise<void> {
    try {
      do {
        if (this.anew) await this.leave();
        this.file ??= await openDestination(this.destination);
        await this.writeAll(this.file.fd);
      } while (this.anew);
      this.counts.error = null;
    } catch (error) {
      this.counts.error = toWire(error);
    }
  }

  private async leave(): Promise<void> {
    this.anew = false;
    const { file, batch } = this;
    this.file = undefined;
    // A line of which the old file has a part only is written to the new one whole.
    if (batch !== undefined) batch.at = batch.bytes.subarray(0, batch.at).lastIndexOf('\n') + 1;
    if (file?.ours === true) await closeFile(file.fd).catch(() => undefined);
  }

  private async writeAll(fd: number): Promise<void> {
    for (let batch; !this.anew && (batch = this.batch ??= this.nextBatch()) !== undefined;) {
      const { bytes, at } = batch;
      try {
        batch.at += (await writeTo(fd, bytes, at, bytes.length - at, null)).bytesWritten;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        await sleep(FULL_PIPE_MS, undefined, { ref: false });
      }
      if (batch.at < bytes.length || this.batch !== batch) continue;
      this.counts.written += batch.lines;
      this.queued -= bytes.length;
      this.batch = undefined;
    }
  }

  private nextBatch(): Batch | undefined {
    let bytes = 0;
    let lines = 0;
    for (const line of this.queue) {
      bytes += Buffer.byteLength(line) + 1;
      if (lines > 0 && bytes > BATCH_BYTES) break;
      lines++;
    }
    if (lines === 0) return undefined;
    return { bytes: Buffer.from(`${this.queue.splice(0, lines).join('\n')}\n`), at: 0, lines };
  }
}

function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev} ${ino}`;
}

async function openDestination(destination: string): Promise<OpenFile> {
  const stream = STREAMS[destination];
  if (stream !== undefined) return openStream(stream);
  // O_NONBLOCK: a FIFO that nobody reads must not keep a thread, which would keep the process from ending.
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  const fd = await openFile(destination, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o640);
  const now = await statOfOpen(fd);
  if (now.isFile()) return { fd, identity: identityOf(now), ours: true };
  await closeFile(fd);
  throw new Error('it is not a regular file');
}

/**
 * A pipe or a terminal is opened once more, since O_NONBLOCK would be for all who have it: the process's own log too. A file has no such thing, and a socket
 * (that of journald) cannot be opened again.
 */
async function openStream(fd: number): Promise<OpenFile> {
  const shared: OpenFile = { fd, identity: undefined, ours: false };
  const now = await statOfOpen(fd);
  if (!now.isFIFO() && !now.isCharacterDevice()) return shared;
  try {
    const again = await openFile(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
    return { fd: again, identity: undefined, ours: true };
  } catch {
    return shared;
  }
}
