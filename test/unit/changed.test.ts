// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Dependencies, choose } from '../changed.js';

describe('the tests that a change can have touched', () => {
  const tests = readdirSync('build/test', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js') && name !== 'unit/changed.test.js') // which names what it does not need
    .map((name) => join('build/test', name));
  const dependencies = new Dependencies();
  const chosen = (...changed: string[]): string[] => choose(changed, tests, dependencies).map(({ test }) => test);
  const inVm = tests.filter((test) => test.startsWith('build/test/vm/'));
  const native = tests.filter((test) => test.startsWith('build/test/native/'));

  it('are those that import it, directly or not', () => {
    expect(chosen('src/mapping/pod-node-mapping.ts', 'test/unit/support/sandbox.sh'))
      .to.include('build/test/unit/deploy-sandbox.test.js')
      .and.not.include('build/test/unit/ring.test.js');
    expect(chosen('test/unit/ring.test.ts')).to.deep.equal(['build/test/unit/ring.test.js']);
    expect(chosen('test/fakes/ring-producer.ts'))
      .to.include('build/test/unit/ring.test.js')
      .and.not.include('programs');
  });

  it('are those that start it or read it, by name', () => {
    expect(chosen('deploy/Dockerfile')).to.deep.equal(['build/test/unit/deploy.test.js']);
    expect(chosen('test/programs/streams.c')).to.include('build/test/vm/death/kill.test.js');
    expect(chosen('test/programs/peer/main.c')).to.include('build/test/vm/sharing/held.test.js');
  });

  it('are all in the virtual machine for the agent, and for what they all run in', () => {
    expect(chosen('src/supervisor.ts')).to.include.members(inVm);
    expect(chosen('scripts/lab').sort()).to.deep.equal([...inVm].sort());
  });

  it('are all native ones as well for native code and the gate', () => {
    for (const file of ['native/Makefile', 'bpf/gate.h']) {
      expect(chosen(file), file).to.include.members([...inVm, ...native, 'programs']);
    }
  });

  it('are none for documents that no test reads, and all for what is not known', () => {
    expect(chosen('docs/GATE.md', 'README.md')).to.not.include('build/test/unit/ring.test.js');
    expect(chosen('something/new').sort()).to.deep.equal([...tests, 'programs'].sort());
  });
});
