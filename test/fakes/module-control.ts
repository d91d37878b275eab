// SPDX-License-Identifier: Apache-2.0
/** A TLSHub module's control as the addon has it: what it was asked is kept, what it answers is given. */
import type { TlshubAddon } from '../../src/shared/kernel/tlshub-addon.js';

export const noModule = (): never => {
  throw new Error('this test has no module');
};

export interface Asked {
  command: number;
  dump: boolean;
  attributes: Uint8Array;
}

export class FakeModuleControl implements Pick<TlshubAddon, 'control'> {
  readonly asked: Asked[] = [];
  readonly answers = new Map<number, Uint8Array[] | Error>();

  control(command: number, dump: boolean, attributes: Uint8Array): Uint8Array[] {
    this.asked.push({ command, dump, attributes: Uint8Array.from(attributes) });
    attributes.fill(0);
    const answer = this.answers.get(command) ?? [];
    if (answer instanceof Error) throw answer;
    return answer;
  }
}
