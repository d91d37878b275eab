// SPDX-License-Identifier: Apache-2.0
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { createLogger, type Logger, type LoggerOptions } from '../../src/logging/logger.js';
import { createThrottle } from '../../src/logging/throttle.js';
import { TlshubError } from '../../src/shared/errors/errors.js';

interface Captured {
  logger: Logger;
  stream: PassThrough;
  text: () => string;
  json: () => Record<string, unknown>[];
}

function capture(options: Partial<LoggerOptions> = {}, isTTY = false): Captured {
  const stream = Object.assign(new PassThrough(), { isTTY });
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return {
    stream,
    logger: createLogger({ logLevel: 'info', verbose: false, ...options }, stream),
    text: () => text,
    json: () =>
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

/** Without colours. */
function plain(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/\u001b\[[0-9]*m/g, '');
}

describe('logging', () => {
  it('writes JSON lines where there is no terminal', async () => {
    const { logger, json } = capture();
    logger.info('secured', { component: 'dispatcher', cookie: 2n ** 63n, flow: 'a -> b', holdMs: 1.5 });
    await sleep(5);
    const [line] = json();
    expect(line).to.include({
      level: 'info',
      message: 'secured',
      component: 'dispatcher',
      cookie: '9223372036854775808',
      flow: 'a -> b',
      holdMs: 1.5,
    });
    expect(line!['timestamp']).to.match(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it('writes one line for people on a terminal', async () => {
    const { logger, text } = capture({}, true);
    logger.child({ component: 'provider' }).warning('peer refused', { flow: '10.0.0.1:1 -> 10.0.0.2:2', cookie: 7n });
    await sleep(5);
    expect(text()).to.include('\u001b[33m');
    expect(plain(text())).to.match(
      /^\d\d:\d\d:\d\d\.\d{3} warning provider: peer refused \[10\.0\.0\.1:1 -> 10\.0\.0\.2:2\]\n$/,
    );
  });

  it('shows all fields when verbose', async () => {
    const { logger, text } = capture({ verbose: true }, true);
    const error = new TlshubError('TLSHUB_SYS', 'no', { remedy: 'Look.' });
    logger.info('x', { cookie: 7n, names: ['a', 'b'], error });
    await sleep(5);
    expect(plain(text())).to.include(' x: no (TLSHUB_SYS). Look. cookie=7 names=["a","b"]\nTlshubError: no');
  });

  it('has code and remedy of what failed, for people and in JSON', async () => {
    const error = new TlshubError('TLSHUB_CREDENTIALS', 'it has expired', { remedy: 'Renew it.' });
    const people = capture({}, true);
    people.logger.warning('refused', { code: 'TLSHUB_PEER_UNKNOWN', remedy: 'Add it.' });
    people.logger.error('not reloaded', { error });
    const programs = capture();
    programs.logger.warning('refused', { code: 'TLSHUB_PEER_UNKNOWN', remedy: 'Add it.' });
    programs.logger.error('not reloaded', { error });
    await sleep(5);
    expect(plain(people.text())).to.include(' refused (TLSHUB_PEER_UNKNOWN). Add it.\n');
    expect(plain(people.text())).to.include(' not reloaded: it has expired (TLSHUB_CREDENTIALS). Renew it.\n');
    const [refused, failed] = programs.json();
    expect(refused).to.include({ code: 'TLSHUB_PEER_UNKNOWN', remedy: 'Add it.' });
    expect(failed!['error']).to.include({ code: 'TLSHUB_CREDENTIALS', remedy: 'Renew it.' });
  });

  it('keeps code and errno of errors', async () => {
    const { logger, json, text } = capture();
    logger.error('failed', { error: new TlshubError('TLSHUB_SYS', 'setsockopt', { errno: 'EBUSY' }) });
    logger.error('failed', { error: 'a text' });
    await sleep(5);
    expect(json()[0]!['error'], text()).to.include({ code: 'TLSHUB_SYS', errno: 'EBUSY', message: 'setsockopt' });
    expect(json()[1]!['error']).to.equal('a text');
  });

  it('takes texts as they are: no formats, no line breaks, no terminal codes', async () => {
    const human = capture({}, true);
    const machine = capture();
    for (const { logger } of [human, machine]) {
      logger.info('100%s %d\u001b[2J\r\nnext', { message: 'field', level: 'error', flow: 'a\nb\u009b31m' });
    }
    await sleep(5);
    expect(plain(human.text())).to.match(/ info {4}100%s %d\\x1b\[2J\\x0d next \[a b\\x9b31m\]\n$/);
    expect(machine.json()).to.have.length(1);
    expect(machine.json()[0]).to.include({ level: 'info', message: '100%s %d\u001b[2J\r\nnext' });
  });

  it('drops what is less severe than the level, which may change, children included', async () => {
    const { logger, json } = capture({ logLevel: 'warning' });
    const child = logger.child({ component: 'c' }).child({ flow: 'f' });
    for (const one of [logger, child]) {
      one.debug('d');
      one.info('i');
      one.warning('w');
      one.error('e');
    }
    logger.setLevel('debug');
    child.debug('now');
    await sleep(5);
    expect(json().map(({ message }) => message)).to.deep.equal(['w', 'e', 'w', 'e', 'now']);
    expect(json()[4]).to.include({ component: 'c', flow: 'f' });
  });

  it('outlives its reader', async () => {
    const { logger, stream } = capture();
    stream.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    await sleep(5);
    logger.info('nobody reads this');
    await sleep(5);
    expect(stream.destroyed).to.equal(true);
  });
});

describe('log throttle', () => {
  it('logs the first, holds back the rest, and says how many', async () => {
    const { logger, json } = capture();
    const throttle = createThrottle(logger, { intervalMs: 30 });
    expect(throttle.log('warning', 'peer', 'peer 1', { flow: 'f1' })).to.equal(true);
    for (let i = 2; i <= 5; i++)
      expect(throttle.log('warning', 'peer', `peer ${i}`, { flow: `f${i}` })).to.equal(false);
    expect(throttle.log('info', 'other', 'other')).to.equal(true);
    await sleep(60);
    expect(throttle.log('warning', 'peer', 'peer 6')).to.equal(true);
    await sleep(60);
    expect(json().map(({ message }) => message)).to.deep.equal([
      'peer 1',
      'other',
      'peer 5 (the last of 4 such messages that were held back)',
      'peer 6',
    ]);
    expect(json()[2]).to.include({ level: 'warning', suppressed: 4, flow: 'f5' });
  });

  it('tells the counts at the end, and when it forgets', async () => {
    const { logger, json } = capture();
    const throttle = createThrottle(logger, { intervalMs: 60_000, maxKinds: 2 });
    for (const kind of ['a', 'a', 'b', 'b', 'b', 'c']) throttle.log('info', kind, kind);
    await sleep(5);
    expect(json().map(({ suppressed }) => suppressed)).to.deep.equal([undefined, undefined, undefined, 1]);
    throttle.flush();
    throttle.flush();
    await sleep(5);
    expect(json().slice(4)).to.have.length(1);
    expect(json()[4]).to.include({ suppressed: 2 });
  });
});
