// SPDX-License-Identifier: Apache-2.0
/** What the commands need from outside, so that tests can run them whole without a process of their own. */
import type { ReleaseOptions, ReleaseReport } from '../release/release.js';
import type { HandshakeCredentials } from '../shared/kernel/handshake-addon.js';
import type { TlshubAddon } from '../shared/kernel/tlshub-addon.js';
import type { TlsLibrary } from '../shared/kernel/words.js';
import type { ProbeResult } from '../shared/kernel/kernel-addon.js';

export interface CliContext {
  out(text: string): void;
  err(text: string): void;
  env: Readonly<Record<string, string | undefined>>;
  /** the kernel's abilities, by the native addon */
  probe(): ProbeResult[];
  /**
   * tries the provider's library with the node's certificates
   * @returns its version and file
   * @throws what the addon says, CredentialsError's code among it
   */
  library(name: TlsLibrary, credentials: HandshakeCredentials): string;
  /** the control of the TLSHub module in this network namespace */
  module(): Pick<TlshubAddon, 'control'>;
  /** takes the gate of a dead agent away */
  release(options: ReleaseOptions): Promise<ReleaseReport>;
  /** effective user id */
  uid: number;
  /** the size of the terminal that `out` goes to, now; undefined: it goes elsewhere */
  terminal?: () => TerminalSize;
  /** aborted when the user wants an end; from the call on an interrupt no longer ends the program by itself */
  untilInterrupted(): AbortSignal;
}

export interface TerminalSize {
  columns: number;
  rows: number;
}

/** Options that every command has. */
export interface GlobalOptions {
  socket: string;
  json?: true;
}

/** Writes a result: JSON for programs, or the text for people. */
export function show(context: CliContext, options: GlobalOptions, result: unknown, text: () => string): void {
  context.out(options.json === true ? `${JSON.stringify(result, null, 2)}\n` : `${text()}\n`);
}
