// SPDX-License-Identifier: Apache-2.0
/** The client's side of the control socket: for tlshubctl, and for tools that want the same answers. */
import { createConnection, type Socket } from 'node:net';
import { ControlError, PermissionError, fromWire, toWire } from '../shared/errors/errors.js';
import { LineSplitter } from '../shared/text/lines.js';
import {
  CONTROL_VERSION,
  MAX_RESPONSE_BYTES,
  parseResponse,
  type ControlOperation,
  type ControlOperations,
} from './protocol.js';

interface Waiting {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
}

export interface ControlClientOptions {
  /** for each answer, default 10 s */
  timeoutMs?: number;
}

export class ControlClient {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #splitter = new LineSplitter(MAX_RESPONSE_BYTES);
  #nextId = 1;
  #failed: Error | undefined;

  private constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) =>
      this.#fail(new ControlError('TLSHUB_CONTROL_CLOSED', error.message, { cause: error })),
    );
    socket.on('close', () =>
      this.#fail(new ControlError('TLSHUB_CONTROL_CLOSED', 'the supervisor closed the connection without an answer')),
    );
  }

  /** @throws ControlError TLSHUB_CONTROL_UNREACHABLE (exit status 1), PermissionError (77) */
  static connect(path: string, options: ControlClientOptions = {}): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(path);
      const failed = (error: Error): void => reject(unreachable(path, error));
      socket.once('error', failed);
      socket.once('connect', () => {
        socket.off('error', failed);
        resolve(new ControlClient(socket, options.timeoutMs ?? 10_000));
      });
    });
  }

  /** @throws TlshubError with the code that the supervisor answered, or a ControlError */
  request<Op extends ControlOperation>(
    op: Op,
    args: ControlOperations[Op]['args'],
  ): Promise<ControlOperations[Op]['result']> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    const id = this.#nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new ControlError('TLSHUB_CONTROL_TIMEOUT', `no answer to ${op} within ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
    });
    this.#socket.write(`${JSON.stringify({ v: CONTROL_VERSION, id, op, args })}\n`);
    return answer as Promise<ControlOperations[Op]['result']>;
  }

  close(): void {
    this.#fail(new ControlError('TLSHUB_CONTROL_CLOSED', 'the connection was closed'));
  }

  #receive(chunk: Buffer): void {
    const { lines, overlong } = this.#splitter.push(chunk);
    try {
      for (const line of lines) this.#settle(line);
      if (overlong)
        throw new ControlError('TLSHUB_CONTROL_PROTOCOL', `the answer is longer than ${MAX_RESPONSE_BYTES} bytes`);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #settle(line: Buffer): void {
    const response = parseResponse(line);
    // Without an id the supervisor could not read what we sent: that concerns everything under way.
    if (response.id === null) throw fromWire(response.ok ? undefined : response.error);
    const waiting = this.#waiting.get(response.id);
    // Nobody waits any more: the answer came after its time limit.
    if (waiting === undefined) return;
    this.#waiting.delete(response.id);
    clearTimeout(waiting.timer);
    if (response.ok) waiting.resolve(response.result);
    else waiting.reject(fromWire(response.error));
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
    this.#socket.destroy();
  }
}

/** One request on a connection of its own. */
export async function controlRequest<Op extends ControlOperation>(
  path: string,
  op: Op,
  args: ControlOperations[Op]['args'],
  options?: ControlClientOptions,
): Promise<ControlOperations[Op]['result']> {
  const client = await ControlClient.connect(path, options);
  try {
    return await client.request(op, args);
  } finally {
    client.close();
  }
}

function unreachable(path: string, cause: Error): Error {
  const { errno, message } = toWire(cause);
  const options = { cause, ...(errno === undefined ? {} : { errno }) };
  if (errno === 'EACCES' || errno === 'EPERM') {
    return new PermissionError(`not permitted to use the control socket ${path}`, options);
  }
  const why =
    errno === 'ENOENT' ? 'there is no such socket' : errno === 'ECONNREFUSED' ? 'nobody listens there' : message;
  return new ControlError('TLSHUB_CONTROL_UNREACHABLE', `the supervisor is not reachable on ${path}: ${why}`, options);
}
