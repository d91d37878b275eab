// SPDX-License-Identifier: Apache-2.0
/** A folder for one test file, 0700, removed after it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'mocha';

export function temporaryFolder(): (...parts: string[]) => string {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tlshub-test-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  return (...parts) => join(folder, ...parts);
}
