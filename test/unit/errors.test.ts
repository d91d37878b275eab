// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { expect } from 'chai';
import { ERROR_CATALOG } from '../../src/shared/errors/catalog.js';
import {
  ConfigError,
  KernelUnsupportedError,
  PermissionError,
  ProviderUnavailableError,
  TlshubError,
  UsageError,
  asTlshubError,
  describeError,
  fromWire,
  placeText,
  toWire,
} from '../../src/shared/errors/errors.js';
import { renderErrors } from '../../tools/render.js';

/** What arrives on the other side of a thread boundary. */
function cloned(value: unknown): unknown {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(value);
  const received = receiveMessageOnPort(port2) as { message: unknown };
  port1.close();
  return received.message;
}

describe('errors', () => {
  it('carry the exit status of the command contract', () => {
    expect(new UsageError('x').exitCode).to.equal(64);
    expect(new KernelUnsupportedError(['tls']).exitCode).to.equal(69);
    expect(new PermissionError('x').exitCode).to.equal(77);
    expect(new ConfigError('TLSHUB_CONFIG_SYNTAX', { file: 'f' }, 'x').exitCode).to.equal(78);
    expect(new ProviderUnavailableError('boringssl', ['openssl']).exitCode).to.equal(78);
    expect(new TlshubError('TLSHUB_INTERNAL', 'x').exitCode).to.equal(1);
  });

  it('begin with the place, as far as it is known', () => {
    expect(placeText({ file: 'a.conf' })).to.equal('a.conf: ');
    expect(placeText({ file: 'a.conf', line: 3 })).to.equal('a.conf:3: ');
    const error = new ConfigError('TLSHUB_CONFIG_BAD_VALUE', { file: 'a.conf', line: 3, key: 'mode' }, 'bad');
    expect(error.message).to.equal('a.conf:3: mode: bad');
    expect(error).to.include({ file: 'a.conf', line: 3, key: 'mode' });
  });

  it('keep code, errno and call across a thread, which structured clone alone does not', () => {
    const error = new TlshubError('TLSHUB_SYS', 'setsockopt failed', { errno: 'EBUSY', syscall: 'setsockopt' });
    expect((cloned(error) as { code?: string }).code).to.equal(undefined);
    const back = fromWire(cloned(toWire(error)));
    expect(back).to.be.instanceOf(TlshubError);
    expect(back).to.include({
      code: 'TLSHUB_SYS',
      message: 'setsockopt failed',
      errno: 'EBUSY',
      syscall: 'setsockopt',
    });
    expect(back.remedy).to.equal(ERROR_CATALOG.TLSHUB_SYS.remedy);
  });

  it('take the errno name of an error of Node.js', () => {
    let error: unknown;
    try {
      readFileSync('/nonexistent/file');
    } catch (caught) {
      error = caught;
    }
    expect(toWire(error)).to.include({ code: 'ENOENT', errno: 'ENOENT', syscall: 'open' });
    expect(asTlshubError(error)).to.include({ code: 'ENOENT', exitCode: 1 });
  });

  it('turn EACCES and EPERM into "not permitted"', () => {
    const error = Object.assign(new Error('bpf: Operation not permitted'), {
      code: 'TLSHUB_SYS',
      errno: 'EPERM',
      syscall: 'bpf',
    });
    expect(asTlshubError(error)).to.be.instanceOf(PermissionError).and.include({ exitCode: 77, syscall: 'bpf' });
  });

  it('survive whatever is thrown or sent', () => {
    for (const value of ['text', 42, null, undefined, { a: 1 }, Symbol('s'), 1n]) {
      expect(toWire(value).code).to.equal('TLSHUB_INTERNAL');
    }
    for (const value of ['text', null, undefined, {}, { code: 7, message: [] }, []]) {
      expect(fromWire(value)).to.include({ code: 'TLSHUB_INTERNAL', exitCode: 1 });
    }
    expect(fromWire({ code: 'toString', message: 'x' })).to.include({ code: 'toString', exitCode: 1 });
  });

  it('say the remedy on a line of its own', () => {
    expect(describeError(new UsageError('no such thing'))).to.equal('no such thing\n  Run the command with --help.');
    expect(describeError(new TlshubError('TLSHUB_NO_KEY', 'none'))).to.equal(
      `none (TLSHUB_NO_KEY)\n  ${ERROR_CATALOG.TLSHUB_NO_KEY.remedy}`,
    );
    expect(describeError(new Error('plain'))).to.equal('plain\n  ' + ERROR_CATALOG.TLSHUB_INTERNAL.remedy);
  });

  it('are all in docs/ERRORS.md and its twin, as they were generated', () => {
    const remedy = 'out of date: run `scripts/build && node build/tools/docs.js`';
    expect(readFileSync('docs/ERRORS.md', 'utf8'), remedy).to.equal(renderErrors('en'));
    expect(readFileSync('docs/zh/ERRORS.md', 'utf8'), remedy).to.equal(renderErrors('zh'));
  });
});
