// SPDX-License-Identifier: Apache-2.0
/** The sessions that make epochs, as those see them who decide which epochs there are. Another thread has them; nothing here waits. */
import type { ErrorTold } from './last-error.js';
import type { CipherName, SecretHandle, TlsLibrary } from '../../shared/kernel/words.js';

export type RejectReason = 'too-many' | 'not-wanted' | 'leaving' | 'epoch' | 'name';
export type CloseReason = 'over' | 'replaced' | 'changed' | 'unused' | 'leaving';

/** Names a session of one that opens by its epoch, since that is known before there is a session; one that was accepted by the thread's number. */
export type SessionName = { opened: number } | { accepted: number };

export interface Sessions {
  readonly library: TlsLibrary;
  open(target: { address: string; port: number; node: string; epoch: number }): void;
  accept(session: number): void;
  reject(session: number, why: RejectReason, text: string): void;
  numberTaken(session: number, number: number): void;
  close(name: SessionName, why: CloseReason): void;
}

/** What a session has agreed on: both names as its opener writes them. */
export interface EpochTerms {
  epoch: number;
  opener: string;
  listener: string;
  cipher: CipherName;
  group: string;
}

export type SessionNews =
  /** of one that a peer opens: accept or reject */
  | ({ type: 'proposed'; session: number } & EpochTerms)
  /** both ends have it. The secret is the hearer's, to use up or discard */
  | ({ type: 'open'; name: SessionName; secret: SecretHandle } & EpochTerms)
  /** the peer has seen this number of ours before */
  | { type: 'number-taken'; name: SessionName; number: number }
  /** without an error: either side has said so */
  | { type: 'ended'; name: SessionName; error: ErrorTold | undefined };
