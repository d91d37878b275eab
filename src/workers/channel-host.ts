// SPDX-License-Identifier: Apache-2.0
/**
 * The thread that channels live in: handshakes of a millisecond, which no flow is to wait for. It does what it is told and tells what happens;
 * src/supervisor decides. Secrets of epochs leave it as handles.
 *
 * There is one set of channels under the present credentials. An earlier one lives on for a moment, until its peers have been told.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { collectGarbage } from '../shared/async/collect-garbage.js';
import { TlshubError, toWire } from '../shared/errors/errors.js';
import type { ChannelCommand, ChannelNews, ThreadReport } from '../shared/ipc/messages.js';
import type { ChannelClose, ChannelEvent, Channels } from '../shared/kernel/channel-addon.js';
import { handshakeAddon } from '../shared/kernel/native.js';
import type { TlsLibrary } from '../shared/kernel/words.js';
import { formatListenAddress, type ListenAddress } from '../shared/net/listen-address.js';

export interface ChannelHostData {
  library: TlsLibrary;
}

type Begin = Extract<ChannelCommand, { type: 'begin' }>;

const { library } = workerData as ChannelHostData;
const addon = handshakeAddon(library);
const leaving = new Set<Channels>();
let channels: Channels | undefined;
/** what `channels` was told to listen at, if it does */
let listener: ListenAddress | undefined;
/** who may open, as was said last: new channels know it from the beginning */
let nodes: Pick<Extract<ChannelCommand, { type: 'nodes' }>, 'names' | 'addresses'> | undefined;
/** how often they have begun: whose events those are that come */
let round = 0;
let stopping = false;

function tell(news: ChannelNews): void {
  parentPort?.postMessage(news);
}

function create(options: Begin): Channels {
  const its = round;
  const made = addon.createChannels(options, (event: ChannelEvent) => {
    tell({ ...event, round: its });
    if (event.type === 'ended') shutIfOver(made);
  });
  if (nodes !== undefined) made.setNodes(nodes.names, nodes.addresses);
  return made;
}

function leave(old: Channels, why: ChannelClose): void {
  leaving.add(old);
  old.closeAll(why);
  shutIfOver(old);
}

function shutIfOver(old: Channels): void {
  if (!leaving.has(old)) return;
  const { sessions, untold } = old.stats();
  // A session may end within closeAll(), if its peer was quicker: that is told later.
  if (sessions + untold > 0) return;
  leaving.delete(old);
  // Not from below its own event.
  setImmediate(() => {
    old.shut();
    endIfStopped();
  });
}

function endIfStopped(): void {
  if (stopping && leaving.size === 0) parentPort?.close();
}

function listen(made: Channels, at: ListenAddress): number {
  try {
    return made.listen(at.host, at.port);
  } catch (error) {
    const { message, errno, syscall } = toWire(error);
    throw new TlshubError('TLSHUB_CHANNEL_LISTEN', `channel_listen = ${formatListenAddress(at)}: ${message}`, {
      cause: error,
      ...(errno === undefined ? {} : { errno }),
      ...(syscall === undefined ? {} : { syscall }),
    });
  }
}

/** A listener that stays where it is goes on without a gap. Any other is gone before the next one comes: their addresses may overlap. */
function replace(old: Channels | undefined, options: Begin): number {
  const at = options.listen;
  const stays = at !== undefined && at.host === listener?.host && at.port === listener.port;
  listener = undefined;
  try {
    channels = create(options);
    const port = stays && old !== undefined ? channels.takeListener(old) : 0;
    if (port > 0) listener = at;
    if (port > 0 || at === undefined) return port;
  } finally {
    if (old !== undefined) leave(old, 'changed');
  }
  const port = listen(channels, at);
  listener = at;
  return port;
}

function begin(options: Begin): void {
  const old = channels;
  channels = undefined;
  round++;
  try {
    tell({ type: 'begun', port: replace(old, options) });
  } catch (thrown) {
    tell({ type: 'begun', port: 0, error: toWire(thrown) });
  }
}

function stop(): void {
  stopping = true;
  const old = channels;
  channels = undefined;
  if (old !== undefined) leave(old, 'leaving');
  endIfStopped();
}

function open(command: Extract<ChannelCommand, { type: 'open' }>): void {
  if (channels !== undefined) {
    channels.open(command);
    return;
  }
  const reason = 'there are no channels: their credentials are not usable';
  const { epoch, node } = command;
  const nothing = { id: 0, opener: '', cipher: '', group: '' } as const;
  tell({
    ...nothing,
    round,
    type: 'ended',
    side: 'opened',
    epoch,
    listener: node,
    code: 'TLSHUB_CHANNEL_UNREACHABLE',
    reason,
  });
}

/** Sessions of earlier credentials end by themselves: none of these is about them. */
function execute(command: ChannelCommand): void {
  switch (command.type) {
    case 'begin':
      begin(command);
      break;
    case 'nodes':
      nodes = command;
      channels?.setNodes(command.names, command.addresses);
      break;
    case 'open':
      open(command);
      break;
    case 'accept':
      channels?.accept(command.id);
      break;
    case 'reject':
      channels?.reject(command.id, command.why, command.text);
      break;
    case 'number-taken':
      channels?.numberTaken(command.id, command.number);
      break;
    case 'close':
      channels?.close(command.id, command.why);
      break;
    case 'stats':
      if (channels !== undefined) tell({ type: 'stats', ...channels.stats() });
      break;
    case 'rest':
      collectGarbage();
      break;
    case 'stop':
      stop();
  }
}

parentPort?.on('message', execute);
parentPort?.postMessage({ type: 'ready' } satisfies ThreadReport);
