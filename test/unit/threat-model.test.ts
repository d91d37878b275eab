// SPDX-License-Identifier: Apache-2.0
/** Every test that docs/THREAT_MODEL.md names is there. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';

describe('the threat model', () => {
  it('names tests that exist', () => {
    const named: string[] = [];
    let folder = '';
    for (const [, name = ''] of readFileSync('docs/THREAT_MODEL.md', 'utf8').matchAll(
      /`((?:native\/)?test\/[\w./-]+|[\w-]+\.test\.ts)`/g,
    )) {
      // `other.test.ts` behind `test/vm/sharing/one.test.ts` is of the same folder.
      const path = name.includes('/') ? name : `${folder}/${name}`;
      folder = path.endsWith('.ts') ? dirname(path) : path;
      named.push(path);
    }
    expect(named.length).to.be.greaterThan(20);
    expect(named.filter((path) => !existsSync(path))).to.deep.equal([]);
  });
});
