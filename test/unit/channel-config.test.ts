// SPDX-License-Identifier: Apache-2.0
/** The keys of channels. */
import { expect } from 'chai';
import { compareConfigs } from '../../src/config/changes.js';
import { parseConfig } from '../../src/config/load.js';
import { CHANNEL_PORT } from '../../src/mapping/node-endpoints.js';
import { ConfigError } from '../../src/shared/errors/errors.js';
import { thrown } from './support/thrown.js';

const FILE = '/etc/tlshub/capture.conf';
const failure = (text: string): ConfigError => thrown(ConfigError, () => parseConfig(text, FILE));

describe('configuration of channels', () => {
  it('has the port of channels and the hybrid group first by default', () => {
    const config = parseConfig('', FILE);
    expect(config).to.include({ channelListen: `[::]:${CHANNEL_PORT}`, nodeEndpoints: '' });
    expect(config.tls.groups).to.deep.equal(['X25519MLKEM768', 'X25519']);
  });

  for (const [text, exchange] of [
    ['', 'in-band'],
    ['pod_source = kubernetes', 'in-band'],
    ['channel_listen =', 'in-band'],
    ['node_endpoints =', 'in-band'],
    ['node_endpoints = nodes.conf', 'channel'],
    ['pod_source = kubernetes\nchannel_listen = [::]:9466', 'channel'],
    ['exchange = channel', 'channel'],
    ['exchange = in-band\nnode_endpoints = nodes.conf', 'in-band'],
    ['marker = false\nnode_endpoints = nodes.conf', 'in-band'],
    ['marker = false\nexchange = in-band', 'in-band'],
  ] as const) {
    it(`${text === '' ? 'an empty file' : text.replace('\n', ' and ')}: ${exchange}`, () => {
      expect(parseConfig(text, FILE).exchange).to.equal(exchange);
    });
  }

  it('goes by the environment as by the file', () => {
    expect(parseConfig('', FILE, { TLSHUB_CHANNEL_LISTEN: '[::]:9466' }).exchange).to.equal('channel');
    const error = thrown(ConfigError, () => parseConfig('marker = false', FILE, { TLSHUB_EXCHANGE: 'channel' }));
    expect(error).to.include({ code: 'TLSHUB_CONFIG_CONFLICT', line: 1 });
  });

  it('takes an address, a file beside the configuration and groups', () => {
    const config = parseConfig(
      'channel_listen = 10.0.0.1:9470\nnode_endpoints = nodes.conf\ntls.groups = P-384 X25519\nexchange = in-band',
      FILE,
    );
    expect(config).to.include({ channelListen: '10.0.0.1:9470', nodeEndpoints: '/etc/tlshub/nodes.conf' });
    expect(config.tls.groups).to.deep.equal(['P-384', 'X25519']);
    expect(parseConfig('channel_listen =', FILE).channelListen).to.equal('');
  });

  it('takes channels with the two modes that have handshakes, and not without the marker', () => {
    for (const mode of ['openssl', 'boringssl', 'tlshub']) {
      expect(parseConfig(`mode = ${mode}\nexchange = channel`, FILE).exchange).to.equal('channel');
    }
    const error = failure('exchange = channel\nmarker = false');
    expect(error).to.include({ code: 'TLSHUB_CONFIG_CONFLICT', line: 2, exitCode: 78 });
    expect(error.message).to.contain('set marker = true, or exchange = in-band');
    expect(parseConfig('mode = tlshub\nexchange = channel\nmarker = false', FILE).marker).to.equal(false);
  });

  for (const [line, allowed] of [
    ['exchange = outband', 'channel, in-band'],
    ['channel_listen = 9466', 'ADDRESS:PORT'],
    ['channel_listen = node-a:9466', 'ADDRESS:PORT'],
    ['tls.groups =', 'one or more of X25519MLKEM768, X25519, P-256, P-384'],
    ['tls.groups = X25519 X25519', 'the same twice'],
    ['tls.groups = X448', '"X448" is not one of them'],
  ] as const) {
    it(`refuses ${line}`, () => {
      const error = failure(line);
      expect(error).to.include({ code: 'TLSHUB_CONFIG_BAD_VALUE', line: 1 });
      expect(error.message).to.contain(allowed);
    });
  }

  it('says at a reload what has changed, and that no restart is needed', () => {
    const after = parseConfig('channel_listen = [::1]:9466\nnode_endpoints = n\ntls.groups = X25519', FILE);
    expect(compareConfigs(parseConfig('', FILE), after)).to.deep.equal([
      { key: 'exchange', before: 'in-band', after: 'channel', restart: undefined },
      { key: 'channel_listen', before: '[::]:9466', after: '[::1]:9466', restart: undefined },
      { key: 'node_endpoints', before: '', after: '/etc/tlshub/n', restart: undefined },
      { key: 'tls.groups', before: 'X25519MLKEM768, X25519', after: 'X25519', restart: undefined },
    ]);
  });
});
