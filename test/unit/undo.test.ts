// SPDX-License-Identifier: Apache-2.0
/** What is taken back after a failure, and what is said of it. */
import { expect } from 'chai';
import { undoAndThrow } from '../../src/shared/async/undo.js';
import { TlshubError } from '../../src/shared/errors/errors.js';
import { rejected } from './support/thrown.js';

describe('taking back', () => {
  it('throws what went wrong first, when all could be taken back', async () => {
    const done: string[] = [];
    const first = new TlshubError('TLSHUB_SYS', 'no room');
    const error = await rejected(
      TlshubError,
      undoAndThrow(first, [() => done.push('a'), () => Promise.resolve(done.push('b'))]),
    );
    expect(error).to.equal(first);
    expect(first.message).to.equal('no room');
    expect(done).to.deep.equal(['a', 'b']);
  });

  it('takes back the rest too when a step fails, and hides neither what went wrong first nor what the step says', async () => {
    const done: string[] = [];
    const first = new TlshubError('TLSHUB_SYS', 'no room');
    const error = await rejected(
      TlshubError,
      undoAndThrow(first, [
        () => {
          throw new Error('out of memory');
        },
        () => Promise.reject(new Error('gone')),
        () => done.push('last'),
      ]),
    );
    expect(error).to.equal(first);
    expect(first.message).to.equal('no room; and not all could be put back as it was: out of memory; gone');
    expect(done).to.deep.equal(['last']);
  });
});
