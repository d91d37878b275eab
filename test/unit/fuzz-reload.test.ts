// SPDX-License-Identifier: Apache-2.0
/** Reloads of files as nobody should write them: all of them is in force afterwards, or nothing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { withRunning } from '../../src/config/changes.js';
import { loadConfig } from '../../src/config/load.js';
import { formatAddress } from '../../src/shared/net/address.js';
import { World } from '../fakes/reload-world.js';
import { NodeFiles } from '../fakes/settings.js';
import { fuzz, mutateText } from './support/fuzz.js';
import type { Random } from './support/random.js';
import { temporaryFolder } from './support/temporary.js';

const CONFIG_WORDS = [
  'strict',
  'permissive',
  'boringssl',
  '5000',
  '0',
  '=',
  '#',
  'mapping.conf',
  'no.conf',
  ':53',
  'x',
];
const MAPPING_WORDS = ['a', 'b', 'web', 'db', '10.0.0.1', '10.0.0.0/24', 'fd00::1', '10.0.0.1/8', '::/0', '#', ''];

/** Keys and pods that are good, other ones each time. */
function goodKeys(random: Random): Record<string, string | number> {
  return {
    policy: random.pick(['strict', 'permissive']),
    policy_exclude: random.pick(['', ':53', '10.0.0.0/8:9100']),
    handshake_timeout_ms: 1000 + random.below(4000),
    mode: random.pick(['openssl', 'boringssl']),
  };
}

function goodPods(random: Random): string {
  const pods = Array.from(
    { length: random.below(5) },
    (_, i) => `p${i} ${random.pick(['a', 'b'])} 10.0.0.${random.below(4)}`,
  );
  return `${pods.join('\n')}\nweb a fd00::1\n`;
}

describe('fuzzed reloads', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();

  it('change all or nothing, and say where a file is wrong (1,000 reloads)', async () => {
    const files = await NodeFiles.make(folder('node'));
    const world = await World.make(files);
    const { gate, inForce, reloader } = world;
    const mesh = (): string[] => [...gate.mesh.keys()].sort();
    let changed = 0;
    const all = await fuzz({ seed: 20_264, cases: 1000 }, async (random) => {
      files.write(goodKeys(random));
      const good = { config: readFileSync(files.config, 'utf8'), pods: goodPods(random) };
      if (random.below(4) === 0) writeFileSync(files.config, mutateText(random, good.config, CONFIG_WORDS));
      const pods = random.below(4) === 0 ? mutateText(random, good.pods, MAPPING_WORDS) : good.pods;
      writeFileSync(files.mapping, pods);
      const before = {
        settings: inForce.current,
        mesh: mesh(),
        writes: gate.settings.length,
        provider: world.provider.name,
      };
      const failed = await reloader.reload().then(
        () => false,
        () => true,
      );
      world.said();
      if (failed) {
        expect(inForce.current).to.equal(before.settings);
        expect(mesh()).to.deep.equal(before.mesh);
        expect(gate.settings).to.have.length(before.writes);
        expect(world.provider.name).to.equal(before.provider);
        const { error, file, line, key } = reloader.lastError!;
        expect(error.code).to.match(/^TLSHUB_(CONFIG|MAPPING|CREDENTIALS|PROVIDER_UNAVAILABLE)/);
        if (error.code.startsWith('TLSHUB_PROVIDER')) return expect(error.message).to.include('mode = ');
        expect(file, error.message).to.be.a('string');
        return expect(line ?? key ?? error.message, error.message).to.match(/^\d+$|^[a-z_.]+$|UNREADABLE|cannot read/);
      }
      changed++;
      expect(reloader.lastError).to.equal(null);
      const wantedConfig = withRunning(loadConfig(files.config), before.settings.config);
      expect(JSON.stringify(inForce.config)).to.equal(JSON.stringify(wantedConfig));
      const wanted = [...inForce.mapping.entries()].map(({ address, prefix }) => `${formatAddress(address)}/${prefix}`);
      expect(mesh()).to.deep.equal(wanted.sort());
      expect(world.provider.name).to.equal(inForce.config.mode);
    });
    if (!all) return;
    expect(changed).to.be.within(200, 800);
    expect(reloader.counts).to.deep.equal({ succeeded: changed, failed: 1000 - changed });
  });
});
