// SPDX-License-Identifier: Apache-2.0
/** Keys by name: each connection is given the next secret, or is refused. */
import type { KeysByName, NamedFlow, NamedKeys, NoKeys } from '../../src/supervisor/provider/keys-by-name.js';

export class FakeNames implements KeysByName {
  readonly asked: NamedFlow[] = [];
  readonly needed: string[] = [];
  /** how often a refusal was carried out */
  refusals = 0;
  /** instead of keys */
  refusal: Omit<NoKeys, 'refused'> | undefined;

  derive(flow: NamedFlow): NamedKeys | NoKeys {
    this.asked.push(flow);
    if (this.refusal !== undefined) return { ...this.refusal, refused: () => this.refusals++ };
    return {
      secrets: 700 + this.asked.length,
      cipher: 'TLS_CHACHA20_POLY1305_SHA256',
      peerName: flow.peerNodes[0] ?? '',
      provider: 'boringssl',
      tookMs: 0.5,
    };
  }

  need(node: string): void {
    this.needed.push(node);
  }
}
