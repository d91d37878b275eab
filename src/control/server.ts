// SPDX-License-Identifier: Apache-2.0
/**
 * The supervisor's side of the control socket.
 *
 * A connection's requests are answered one after the other, and no more is read while one is under way: a client that floods, or does not
 * read its answers, waits for itself. A line that is too long or no request is answered with an error, and the connection closed.
 */
import { createServer, type Socket } from 'node:net';
import { ControlError, TlshubError, asTlshubError, fromWire, toWire } from '../shared/errors/errors.js';
import type { Logger } from '../logging/logger.js';
import { kernel } from '../shared/kernel/native.js';
import { admit } from './access.js';
import { LineSplitter } from '../shared/text/lines.js';
import {
  ARGUMENTS,
  CONTROL_VERSION,
  MAX_REQUEST_BYTES,
  parseRequest,
  type ControlHandlers,
  type ControlOperation,
  type ControlResponse,
} from './protocol.js';
import { listen, prepareFolder, remove } from './socket-path.js';

export interface ControlServerOptions {
  /** absolute */
  path: string;
  /** undefined: it is bound and says that it is not ready, until `serve` */
  handlers?: ControlHandlers;
  logger?: Logger;
  /** cgroups (folders or patterns) whose processes are refused, root among them; asked for each connection. Default: none */
  captured?: () => readonly string[];
  /** replace a supervisor that still answers there */
  takeOver?: boolean;
  /** connections at once; more are closed. Default 32. */
  maxConnections?: number;
  /** a connection that says nothing for this long is closed. Default 60 s. */
  idleMs?: number;
}

/** For a peer that is refused to send the request that it is refused by, in ms. */
const REFUSED_IDLE_MS = 5000;

/** For a client that is hung up on to read its last answer, in ms. */
const LINGER_MS = 5000;

export interface ControlServer {
  readonly path: string;
  /** Answers by these from now on. */
  serve(handlers: ControlHandlers): void;
  /** Takes the socket away from the path, as the end of a process that has no time to close. */
  unlink(): void;
  /** Stops listening, removes the socket and closes all connections. */
  close(): Promise<void>;
}

/** @throws ControlError TLSHUB_CONTROL_SOCKET, PermissionError */
export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { path, logger, takeOver = false, maxConnections = 32, idleMs = 60_000 } = options;
  const { captured = () => [] } = options;
  let { handlers } = options;
  prepareFolder(path);
  const connections = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    // The client went away: nobody is left to tell.
    socket.on('error', () => undefined);
    const refusal = refusalOf(socket, captured);
    if (refusal !== undefined) logger?.warning(`control connection refused: ${refusal.message}`);
    socket.setTimeout(refusal === undefined ? idleMs : REFUSED_IDLE_MS, () => socket.destroy());
    serve(socket, () => handlers, logger, refusal).then(
      () => hangUp(socket),
      (error: unknown) => {
        logger?.warning('control connection failed', { error });
        socket.destroy();
      },
    );
  });
  server.maxConnections = maxConnections;
  const inode = await listen(server, path, takeOver);
  server.on('error', (error) => logger?.error('control socket', { error }));

  return {
    path,
    serve: (ready) => (handlers = ready),
    unlink: () => remove(path, inode),
    close: () =>
      new Promise((resolve) => {
        remove(path, inode);
        server.close(() => resolve());
        for (const socket of connections) socket.destroy();
      }),
  };
}

/** Why this peer is not served. Whatever goes wrong in finding out is a reason too. */
function refusalOf(socket: Socket, captured: () => readonly string[]): Error | undefined {
  try {
    // Node.js has no other way to the descriptor of a socket.
    const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd;
    if (fd === undefined || fd < 0)
      throw new ControlError('TLSHUB_CONTROL_FORBIDDEN', 'the connection has no descriptor');
    admit(fd, { peerOf: (of) => kernel().peerOf(of), captured });
    return undefined;
  } catch (error) {
    return asTlshubError(error);
  }
}

/**
 * Answers until the client says no more, or what is no request.
 * @param refusal what every request is answered with, if the peer may not ask any
 */
async function serve(
  socket: Socket,
  handlers: () => ControlHandlers | undefined,
  logger: Logger | undefined,
  refusal: Error | undefined,
): Promise<void> {
  const splitter = new LineSplitter(MAX_REQUEST_BYTES);
  // Not destroyed by leaving the loop: what was answered must still get out.
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    const { lines, overlong } = splitter.push(chunk);
    if (refusal !== undefined && (lines.length > 0 || overlong)) {
      await send(socket, failure(null, refusal));
      return;
    }
    for (const line of lines) {
      const { response, fatal } = await answer(line, handlers(), logger);
      await send(socket, response);
      if (fatal) return;
    }
    if (!overlong) continue;
    const detail = `the request is longer than ${MAX_REQUEST_BYTES} bytes`;
    await send(socket, failure(null, new ControlError('TLSHUB_CONTROL_PROTOCOL', detail)));
    return;
  }
  if (splitter.pendingBytes > 0) {
    const detail = `the request has no newline at its end: the client said no more after byte ${splitter.pendingBytes}`;
    await send(socket, failure(null, refusal ?? new ControlError('TLSHUB_CONTROL_PROTOCOL', detail)));
  }
}

/** Reads on for a while without looking: to close with bytes unread would reset the connection, and the client could lose its answer. */
function hangUp(socket: Socket): void {
  socket.end();
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}

/** `fatal`: the client does not speak the protocol; what follows is not worth reading. */
async function answer(
  line: Buffer,
  handlers: ControlHandlers | undefined,
  logger: Logger | undefined,
): Promise<{ response: ControlResponse; fatal: boolean }> {
  let id: number | null = null;
  let known = false;
  try {
    const request = parseRequest(line);
    id = request.id;
    known = true;
    const result = await dispatch(request.op, request.args, handlers);
    logger?.debug('control request', { op: request.op });
    return { response: { v: CONTROL_VERSION, id: request.id, ok: true, result }, fatal: false };
  } catch (error) {
    logger?.debug('control request failed', { error });
    return { response: failure(id, error), fatal: !known };
  }
}

async function dispatch(
  op: string,
  args: Record<string, unknown>,
  handlers: ControlHandlers | undefined,
): Promise<unknown> {
  if (handlers === undefined) throw new TlshubError('TLSHUB_NOT_READY', 'not ready: the agent is starting');
  const handler = Object.hasOwn(handlers, op) && isOperation(op) ? handlers[op] : undefined;
  if (handler === undefined || !isOperation(op)) {
    throw new ControlError('TLSHUB_CONTROL_UNKNOWN_OP', `there is no operation "${op.slice(0, 60)}"`);
  }
  // TypeScript cannot see that handler and checker are of the same operation.
  return (handler as (checked: unknown) => Promise<unknown>)(ARGUMENTS[op](args));
}

function isOperation(op: string): op is ControlOperation {
  return Object.hasOwn(ARGUMENTS, op);
}

function failure(id: number | null, error: unknown): ControlResponse {
  return { v: CONTROL_VERSION, id, ok: false, error: toWire(asTlshubError(error)) };
}

async function send(socket: Socket, response: ControlResponse): Promise<void> {
  let line: string;
  try {
    line = JSON.stringify(response);
  } catch (error) {
    // A handler returned what JSON cannot carry, such as a bigint: our own mistake, but not one to die of.
    line = JSON.stringify(failure(response.id, fromWire(toWire(error))));
  }
  if (socket.write(`${line}\n`) || socket.destroyed) return;
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      socket.off('drain', settle);
      socket.off('close', settle);
      resolve();
    };
    socket.on('drain', settle);
    socket.on('close', settle);
  });
}
