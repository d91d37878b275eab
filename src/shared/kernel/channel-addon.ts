// SPDX-License-Identifier: Apache-2.0
/** Channels, as `tlshub_openssl.node` and its twin offer them beside handshakes (handshake-addon.ts). docs/CHANNEL_WIRE.md has what they say. */
import type { HandshakeCredentials } from './handshake-addon.js';
import type { CipherName, SecretHandle } from './words.js';

/** Why a listener does not take an epoch. */
export type ChannelRefusal = 'too-many' | 'not-wanted' | 'leaving' | 'epoch' | 'name';
/** Why an epoch ends. */
export type ChannelClose = 'over' | 'replaced' | 'changed' | 'unused' | 'leaving';

export interface ChannelsOptions {
  /** `ticketKey` does not matter: no session of a channel is resumed */
  credentials: HandshakeCredentials;
  /** key exchanges in order of preference; those that the library does not have are left out */
  groups: string[];
  /** this node's, as the mapping has it */
  ownName: string;
}

export interface ChannelTarget {
  /** IPv4 or IPv6 */
  address: string;
  port: number;
  /** whose certificate it must have */
  node: string;
  /** 1 to 2^24 - 1, the opener's choice */
  epoch: number;
}

export interface ChannelEventBase {
  /** never 0, and of this session alone as long as the process lives */
  id: number;
  /** by this agent, or by the peer and accepted here */
  side: 'opened' | 'accepted';
  /** what is below is as far as it is known: of a connection that has come in and ends early, nothing */
  epoch: number;
  /** names of nodes as they go into keys */
  opener: string;
  listener: string;
  cipher: CipherName | '';
  group: string;
}

export type ChannelEvent = ChannelEventBase &
  (
    | /** somebody has opened one: to accept or to reject, within five seconds of its connection */ { type: 'proposed' }
    | /** both have the epoch; the secret is the receiver's, which hands it on or discards it */ {
        type: 'open';
        secret: SecretHandle;
      }
    | /** the peer has seen this number before */ { type: 'number-taken'; number: number }
    | /** the peer ends the epoch; `ended` follows */ { type: 'closing'; why: ChannelClose | 'other' }
    | /** the last of this session; code '': in order */ { type: 'ended'; code: string; reason: string }
  );

export interface ChannelStats {
  /** all there are, on their way and half-open ones too */
  sessions: number;
  /** events that nobody has heard yet */
  untold: number;
  /** places for handshakes of who is not known yet, of 256 */
  halfOpen: number;
  /** since the start: connections that were dropped since there were too many from there */
  turnedAway: number;
  /** since the start: times that the listener stood still, for want of descriptors or memory */
  rests: number;
  /** since the start: connections that the listener has taken in */
  connections: number;
}

/** All channels under one set of credentials, on one thread. Events come from its event loop, never from inside a call. */
export interface Channels {
  /** @returns the port; throws TLSHUB_SYS */
  listen(host: string, port: number): number;
  /** Takes the listener of another one with all that waits there. Returns its port, 0: it has none */
  takeListener(from: Channels): number;
  /**
   * Who may open, for what comes from now on; nobody at first.
   * @param addresses 16 bytes each: where nodes are; what comes from elsewhere cannot take more than half of the places
   */
  setNodes(names: string[], addresses: Uint8Array[]): void;
  /** Never fails: `ended` says what was wrong. Returns the id. */
  open(target: ChannelTarget): number;
  /** These do nothing to a session that has ended, or that nothing was proposed on. */
  accept(id: number): void;
  reject(id: number, why: ChannelRefusal, text: string): void;
  /** The peer hears the first 16 of a session. */
  numberTaken(id: number, number: number): void;
  close(id: number, why: ChannelClose): void;
  /** All, and the listener. `ended` follows for each: within about a second, whatever peers do */
  closeAll(why: ChannelClose): void;
  stats(): ChannelStats;
  /** Wipes and frees everything, without an event or a word to a peer. */
  shut(): void;
}

export interface ChannelsAddon {
  /** Throws TLSHUB_CREDENTIALS as createContext does. */
  createChannels(options: ChannelsOptions, onEvent: (event: ChannelEvent) => void): Channels;
}
