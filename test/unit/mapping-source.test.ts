// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileMappingSource, PodNodeMapping, diffMappings, isEmptyDiff, type MappingChange } from '../../src/index.js';
import { mappingLines } from '../../src/supervisor/settings/changes.js';
import { temporaryFolder } from './support/temporary.js';

const parse = (text: string): PodNodeMapping => PodNodeMapping.parse(text);

describe('difference of mappings', () => {
  it('names pods that came, went, moved or changed their addresses, and no others', () => {
    const before = parse('stays a 10.0.0.1 fd00::1\nmoves a 10.0.0.2\ngrows a 10.0.0.3\ngoes b 10.0.0.4\n');
    const after = parse('grows a 10.0.0.3 10.0.0.5\nstays a fd00::1 10.0.0.1\nmoves b 10.0.0.2\ncomes c\n');
    expect(diffMappings(before, after)).to.deep.equal({
      added: [{ pod: 'comes', node: 'c', addresses: [] }],
      removed: [{ pod: 'goes', node: 'b', addresses: ['10.0.0.4'] }],
      changed: [
        {
          before: { pod: 'grows', node: 'a', addresses: ['10.0.0.3'] },
          after: { pod: 'grows', node: 'a', addresses: ['10.0.0.3', '10.0.0.5'] },
        },
        {
          before: { pod: 'moves', node: 'a', addresses: ['10.0.0.2'] },
          after: { pod: 'moves', node: 'b', addresses: ['10.0.0.2'] },
        },
      ],
      services: { added: [], removed: [], changed: [] },
    });
  });

  it('names services that came, went, or have other nodes behind them or other addresses, and no others', () => {
    const pods = (moved: string): string => `web-0 a 10.0.0.1\nweb-1 ${moved} 10.0.0.2\n`;
    const before = parse(
      `${pods('b')}stays 10.9.0.1 fd09::1 -> web-0 @b\nmoves 10.9.0.2 -> web-1\ngrows 10.9.0.3 -> @a\ngoes 10.9.0.4 ->\n`,
    );
    const after = parse(
      `${pods('c')}stays fd09::1 10.9.0.1 -> @b web-0\nmoves 10.9.0.2 -> web-1\ngrows 10.9.0.3 10.9.0.5 -> @a\ncomes 10.9.0.6 ->\n`,
    );
    const diff = diffMappings(before, after);
    expect(diff.changed.map(({ after: { pod } }) => pod)).to.deep.equal(['web-1']);
    expect(diff.services).to.deep.equal({
      added: [{ service: 'comes', addresses: ['10.9.0.6'], nodes: [] }],
      removed: [{ service: 'goes', addresses: ['10.9.0.4'], nodes: [] }],
      changed: [
        {
          before: { service: 'moves', addresses: ['10.9.0.2'], nodes: ['b'] },
          after: { service: 'moves', addresses: ['10.9.0.2'], nodes: ['c'] },
        },
        {
          before: { service: 'grows', addresses: ['10.9.0.3'], nodes: ['a'] },
          after: { service: 'grows', addresses: ['10.9.0.3', '10.9.0.5'], nodes: ['a'] },
        },
      ],
    });
    expect(mappingLines(diff)).to.deep.equal([
      'mapping: pod web-1 moved from b to c',
      'mapping: service comes is new, at 10.9.0.6, has no endpoint: connections to it are refused',
      'mapping: service goes is gone',
      'mapping: service moves is answered by c',
      'mapping: service grows is now at 10.9.0.3 10.9.0.5, is answered by a',
    ]);
    const onlyService = diffMappings(parse('a a\ns 10.9.0.1 ->\n'), parse('a a\ns 10.9.0.1 -> a\n'));
    expect(isEmptyDiff(onlyService)).to.equal(false);
    expect(isEmptyDiff(diffMappings(before, before))).to.equal(true);
  });
});

describe('mapping from a file', () => {
  const folder = temporaryFolder();
  let source: FileMappingSource | undefined;
  let file: string;

  beforeEach(() => {
    file = join(folder(), 'mapping.conf');
    writeFileSync(file, 'web a 10.0.0.1\n');
  });
  afterEach(() => source?.close());

  const next = (from: FileMappingSource): Promise<MappingChange> =>
    new Promise((resolve, reject) => {
      from.on('change', resolve);
      from.on('problem', reject);
    });

  it('gives the mapping as the file has it now', async () => {
    source = new FileMappingSource(file);
    const first = await source.read();
    expect([...first]).to.deep.equal([{ pod: 'web', node: 'a', addresses: ['10.0.0.1'] }]);
    writeFileSync(file, 'web b 10.0.0.1\n');
    expect((await source.read()).nodeOf('web')).to.equal('b');
    expect(first.nodeOf('web')).to.equal('a');
    expect(source.description).to.equal(`file ${file}`);
  });

  it('says what is wrong and where', async () => {
    source = new FileMappingSource(file);
    writeFileSync(file, 'web a\nweb\n');
    const error = (await source.read().catch((thrown: unknown) => thrown)) as Error;
    expect(error.message).to.match(/mapping\.conf:2: pod web has no node/);
  });

  it('tells of changes when it is asked to watch, also of a file that another one replaces', async () => {
    source = new FileMappingSource(file, { watch: true });
    await source.read();
    const changed = next(source);
    writeFileSync(`${file}.new`, 'web b 10.0.0.1\n');
    renameSync(`${file}.new`, file);
    const { previous, mapping, diff } = await changed;
    expect([previous.nodeOf('web'), mapping.nodeOf('web')]).to.deep.equal(['a', 'b']);
    expect(diff.changed.map(({ after }) => after.node)).to.deep.equal(['b']);
  });

  it('follows a link that is put elsewhere, as a mounted ConfigMap is', async () => {
    for (const [version, node] of Object.entries({ one: 'a', two: 'b' })) {
      mkdirSync(join(folder(), version));
      writeFileSync(join(folder(), version, 'mapping.conf'), `web ${node} 10.0.0.1\n`);
    }
    rmSync(file);
    symlinkSync('one', join(folder(), '..data'));
    symlinkSync('..data/mapping.conf', file);
    source = new FileMappingSource(file, { watch: true });
    expect((await source.read()).nodeOf('web')).to.equal('a');
    const changed = next(source);
    symlinkSync('two', join(folder(), '..new'));
    renameSync(join(folder(), '..new'), join(folder(), '..data'));
    expect((await changed).mapping.nodeOf('web')).to.equal('b');
  });

  it('goes on with what it has when the file turns bad, and says so', async () => {
    source = new FileMappingSource(file, { watch: true });
    await source.read();
    const problem = new Promise<Error>((resolve) => source?.on('problem', resolve));
    writeFileSync(`${file}.new`, 'nonsense\n');
    renameSync(`${file}.new`, file);
    expect((await problem).message).to.contain('pod nonsense has no node');
    const changed = new Promise<MappingChange>((resolve) => source?.on('change', resolve));
    writeFileSync(`${file}.new`, 'web c 10.0.0.1\n');
    renameSync(`${file}.new`, file);
    expect((await changed).mapping.nodeOf('web')).to.equal('c');
  });
});
