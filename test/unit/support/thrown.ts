// SPDX-License-Identifier: Apache-2.0
/** What a function throws, or a promise rejects with, as the class that it must be of. */
import { expect } from 'chai';
import type { TlshubError } from '../../../src/shared/errors/errors.js';

type Class<T> = abstract new (...args: never[]) => T;

export function thrown<T extends TlshubError>(kind: Class<T>, run: () => unknown): T {
  let error: unknown;
  try {
    run();
  } catch (caught) {
    error = caught;
  }
  expect(error, 'nothing of the kind was thrown').to.be.instanceOf(kind);
  return error as T;
}

export async function rejected<T extends TlshubError>(kind: Class<T>, promise: Promise<unknown>): Promise<T> {
  const error: unknown = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error, 'nothing of the kind was thrown').to.be.instanceOf(kind);
  return error as T;
}
