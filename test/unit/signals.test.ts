// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { Signals, type Signal } from '../../src/supervisor/signals.js';

describe('signals', () => {
  it('wait, in their order, for somebody who acts on them, and then go to whoever came last', () => {
    const source = new EventEmitter();
    const signals = new Signals(source);
    source.emit('SIGHUP');
    source.emit('SIGTERM');
    const first: Signal[] = [];
    signals.to((signal) => first.push(signal));
    expect(first).to.deep.equal(['SIGHUP', 'SIGTERM']);
    source.emit('SIGUSR2');
    const second: Signal[] = [];
    signals.to((signal) => second.push(signal));
    source.emit('SIGINT');
    expect(first).to.deep.equal(['SIGHUP', 'SIGTERM', 'SIGUSR2']);
    expect(second).to.deep.equal(['SIGINT']);
  });
});
