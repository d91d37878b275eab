// SPDX-License-Identifier: Apache-2.0
/** The channel's session against the OpenSSL that this Node.js carries: the tests of native/test/channel_*.cc, loaded into it. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';

const TESTS = new URL('../../obj/channel_test.node', import.meta.url).pathname;

describe("the channel's session", () => {
  it('passes its tests over the OpenSSL of this Node.js', function () {
    this.timeout(120_000);
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(TESTS)})`], {
      encoding: 'utf8',
    });
    const trouble = stdout.split('\n').filter((line) => !line.startsWith('ok '));
    expect(stderr).to.equal('');
    expect(trouble.join('\n')).to.match(/^ +\d+ bytes for an open session; .*\n[1-9]\d* passed, 0 failed\n$/);
  });
});
