// SPDX-License-Identifier: Apache-2.0
/** Whether this process may be broken on purpose, for tests of what becomes of its connections then. Never set it in production. */
export function testHooks(): boolean {
  return process.env.TLSHUB_TEST_HOOKS === '1';
}
