// SPDX-License-Identifier: Apache-2.0
/** What the settings say of the export by OTLP: keys, the file of headers, the resource, and a reload. */
import { hostname } from 'node:os';
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { parseConfig } from '../../src/config/load.js';
import { MetricsRegistry } from '../../src/metrics/registry.js';
import { otlpExport, targetOf } from '../../src/supervisor/otlp.js';
import { ConfigError } from '../../src/shared/errors/errors.js';
import { VERSION } from '../../src/shared/files/package.js';
import { readOtlpFiles } from '../../src/supervisor/settings/otlp-files.js';
import { memoryLogger } from '../fakes/memory-logger.js';
import { World } from '../fakes/reload-world.js';
import { NodeFiles } from '../fakes/settings.js';
import { Collector } from './support/otlp-collector.js';
import { temporaryFolder } from './support/temporary.js';

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('settings of the export by OTLP', () => {
  const path = temporaryFolder();

  it('are off by default, and then no file of theirs is looked at', () => {
    const config = parseConfig('otlp.headers_file = /nowhere', 'capture.conf');
    expect(config.otlp.endpoint).to.equal('');
    const otlpFiles = readOtlpFiles(config);
    expect(targetOf({ config, otlpFiles })).to.equal(undefined);
  });

  it('name where, what and who', () => {
    const target = (...more: string[]): ReturnType<typeof targetOf> => {
      const lines = ['node_name = node-a', 'otlp.endpoint = https://otel.example:4318/base/', ...more];
      const config = parseConfig(lines.join('\n'), 'capture.conf');
      return targetOf({ config, otlpFiles: readOtlpFiles(config) });
    };
    expect(target()).to.deep.equal({
      endpoint: 'https://otel.example:4318/base',
      ...{ signals: ['metrics', 'access_log'], intervalMs: 60_000, timeoutMs: 10_000, headers: {}, ca: undefined },
      resource: {
        ...{ 'service.name': 'tlshub', 'service.version': VERSION, 'service.instance.id': 'node-a' },
        'host.name': hostname(),
      },
    });
    const other = target(
      ...['pod_source = kubernetes', 'otlp.export = access_log', 'otlp.interval_ms = 5000', 'otlp.timeout_ms = 5000'],
      'otlp.resource = service.name=mesh, deployment.environment.name=prod=1',
    );
    expect(other).to.deep.include({ signals: ['access_log'], intervalMs: 5000, timeoutMs: 5000 });
    expect(other!.resource).to.include({
      ...{ 'service.name': 'mesh', 'k8s.node.name': 'node-a', 'deployment.environment.name': 'prod=1' },
    });
    expect(() => target('otlp.interval_ms = 2000')).to.throw(ConfigError, /otlp\.timeout_ms \(10000\) must be at most/);
  });

  it('take headers from a file, and never quote a line of it', () => {
    const file = path('headers');
    const config = parseConfig(`otlp.endpoint = http://c:4318\notlp.headers_file = ${file}`, 'capture.conf');
    const read = (text: string): ReturnType<typeof readOtlpFiles> => {
      writeFileSync(file, text);
      return readOtlpFiles(config);
    };
    expect(read('# a token\nAuthorization:  Bearer a:b= c\n\nX-Scope-OrgID: 7\r\n').headers).to.deep.equal({
      ...{ authorization: 'Bearer a:b= c', 'x-scope-orgid': '7' },
    });
    for (const [text, words] of [
      ['s3cret', /:1: otlp\.headers_file: the line is not `name: value`/],
      ['a: b\ntoken: s3cret\u00e9', /:2: .*ASCII/],
      ['a:', /:1: /],
      ['a b: s3cret', /:1: /],
      ['a: s3cret\nA: other', /:2: .*the header a is set twice/],
      ['Host: s3cret', /:1: .*the header host is not one to set/],
      ['content-type: s3cret', /not one to set/],
      ['a: s3cret\u0007', /:1: .*control character 0x07/],
    ] as const) {
      expect(() => read(text), text)
        .to.throw(ConfigError, words)
        .and.include({ code: 'TLSHUB_CONFIG_OTLP', exitCode: 78, file })
        .and.satisfy((error: ConfigError) => !error.message.includes('s3cret'));
    }
  });

  it('say which file cannot be read, or holds no certificate', () => {
    for (const [key, file, words] of [
      ['otlp.headers_file', path('nowhere'), /cannot read it: ENOENT/],
      ['otlp.ca', path('none.crt'), /there is no PEM certificate in it/],
    ] as const) {
      writeFileSync(path('none.crt'), 'nothing');
      const config = parseConfig(`otlp.endpoint = http://c:4318\n${key} = ${file}`, 'capture.conf');
      expect(() => readOtlpFiles(config))
        .to.throw(ConfigError, words)
        .and.include({ key, file });
    }
  });

  it('are taken up by a reload, a new token too, and stay as they are when something is wrong with them', async () => {
    const files = await NodeFiles.make(path('node'));
    const world = await World.make(files);
    const collector = await Collector.start();
    const metrics = new MetricsRegistry();
    const exporter = otlpExport(world.inForce, metrics, memoryLogger().log);
    exporter.follow();
    try {
      expect(exporter.report()).to.equal(null);
      const headers = path('node', 'token');
      writeFileSync(headers, 'authorization: first\n');
      const keys = { 'otlp.endpoint': collector.endpoint, 'otlp.headers_file': headers, 'otlp.export': 'access_log' };
      files.write(keys);
      await world.reloader.reload();
      expect(exporter.report()).to.include({ endpoint: collector.endpoint });
      exporter.entry({ time: new Date().toISOString(), level: 'info', message: 'one' });
      await until(() => collector.records.length === 1);
      writeFileSync(headers, 'authorization: second\n');
      expect((await world.reloader.reload()).changes).to.deep.equal(['otlp.headers_file: other headers']);
      exporter.entry({ time: new Date().toISOString(), level: 'info', message: 'two' });
      await until(() => collector.records.length === 2);
      expect(collector.headers.map(({ authorization }) => authorization)).to.deep.equal(['first', 'second']);
      writeFileSync(headers, 'third\n');
      expect((await world.failure()).code).to.equal('TLSHUB_CONFIG_OTLP');
      exporter.entry({ time: new Date().toISOString(), level: 'info', message: 'three' });
      await until(() => collector.records.length === 3);
      expect(collector.headers.at(-1)).to.include({ authorization: 'second' });
      files.write();
      await world.reloader.reload();
      expect(exporter.report()).to.equal(null);
      expect(JSON.stringify(world.lines)).to.not.match(/first|second|third/);
    } finally {
      await exporter.close();
      await collector.close();
    }
  });
});
