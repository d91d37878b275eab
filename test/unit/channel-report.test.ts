// SPDX-License-Identifier: Apache-2.0
/** What is told of channels and of how keys were agreed on, from what is known of both. */
import { expect } from 'chai';
import { NO_CHANNELS, type ChannelReport } from '../../src/report/channel.js';
import { controlHandlers, type ControlParts } from '../../src/supervisor/control-handlers.js';
import { epochOf, exchangeOf } from '../../src/supervisor/flow/exchange.js';
import { countEpochs } from '../../src/supervisor/provider/epoch-counts.js';

const REPORT: ChannelReport = {
  ...{ node: 'b', direction: 'opened', state: 'open', epoch: 7, library: 'openssl' },
  ...{ cipher: 'TLS_AES_128_GCM_SHA256', group: 'X25519', ageMs: 1, flows: 2, renewals: 0, lastError: null },
};

describe('the report of channels', () => {
  it('is what they say when somebody asks over the control socket, each time anew', async () => {
    let reports: ChannelReport[] = [];
    const { channels } = controlHandlers({ channels: () => reports } as unknown as ControlParts);
    expect(await channels!({})).to.deep.equal([]);
    reports = [REPORT];
    expect(await channels!({})).to.deep.equal([REPORT]);
  });

  it('counts epochs by direction and state, with zeros where there are none', () => {
    const counts = countEpochs([
      REPORT,
      { ...REPORT, node: 'c' },
      { ...REPORT, state: 'kept' },
      { ...REPORT, direction: 'accepted', state: 'failed' },
    ]);
    expect(counts).to.deep.equal({
      opened: { opening: 0, open: 2, kept: 1, failed: 0 },
      accepted: { opening: 0, open: 0, kept: 0, failed: 1 },
    });
    expect(countEpochs(NO_CHANNELS.reports()).accepted).to.deep.equal({ opening: 0, open: 0, kept: 0, failed: 0 });
  });
});

describe('how the keys of a connection were agreed on', () => {
  const agreed = { epoch: 0x8a0b0c };

  it('is by what both agents have named, else by the provider, and open until there is one', () => {
    expect(exchangeOf({ agreed, provider: null })).to.equal('channel');
    expect(exchangeOf({ agreed, provider: 'boringssl' })).to.equal('channel');
    expect(exchangeOf({ provider: 'openssl' })).to.equal('in-band');
    expect(exchangeOf({ agreed: undefined, provider: 'boringssl' })).to.equal('in-band');
    expect(exchangeOf({ provider: 'tlshub' })).to.equal('out-of-band');
    expect(exchangeOf({ provider: null })).to.equal(null);
  });

  it('names the epoch where there is one', () => {
    expect(epochOf({ agreed, provider: 'openssl' })).to.equal(0x8a0b0c);
    expect(epochOf({ provider: 'openssl' })).to.equal(null);
  });
});
