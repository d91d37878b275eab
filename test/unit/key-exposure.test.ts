// SPDX-License-Identifier: Apache-2.0
import { chmodSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Config } from '../../src/config/schema.js';
import { keyExposure } from '../../src/supervisor/settings/credentials.js';
import { temporaryFolder } from './support/temporary.js';

describe("the node's key", () => {
  const path = temporaryFolder();
  const exposure = (key: string): string | undefined => keyExposure({ tls: { key } } as Config);

  for (const [mode, exposed] of [
    [0o600, false],
    [0o640, false],
    [0o644, true],
    [0o604, true],
  ] as const) {
    it(`of mode ${mode.toString(8)} is ${exposed ? 'complained of' : 'well kept'}`, () => {
      writeFileSync(path('key'), '');
      chmodSync(path('key'), mode);
      const said = exposure(path('key'));
      if (exposed) expect(said).to.include(path('key')).and.to.include('chmod 600');
      else expect(said).to.equal(undefined);
    });
  }

  it('that is not there is complained of by who reads it', () => {
    expect(exposure(path('none'))).to.equal(undefined);
  });
});
