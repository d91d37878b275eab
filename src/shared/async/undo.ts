// SPDX-License-Identifier: Apache-2.0
/** Taking back what was done before something failed. */

/**
 * Runs all steps, each whether or not the one before it failed, and throws `first`. What the steps themselves say of their failures is
 * added to its message, never put in its place.
 */
export async function undoAndThrow(first: unknown, steps: readonly (() => unknown)[]): Promise<never> {
  const failures: string[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (failures.length > 0 && first instanceof Error) {
    first.message += `; and not all could be put back as it was: ${failures.join('; ')}`;
  }
  throw first;
}
