// SPDX-License-Identifier: Apache-2.0
/** scripts/spdx on a made-up tree: each source says its licence, and the right one. */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { temporaryFolder } from './support/temporary.js';

const BEFORE: Record<string, string> = {
  'src/main.ts': '/** What it does. */\n',
  'bpf/gate.bpf.c': '// SPDX-License-Identifier: GPL-2.0\n/* The gate. */\n',
  'bpf/flow.bpf.h': '/* SPDX-License-Identifier: Apache-2.0 */\n',
  'bpf/kernel.h': '',
  'bpf/tlshub.h': '/* SPDX-License-Identifier: GPL-2.0 */\n#ifndef TLSHUB_H\n',
  'test/bpf/box.bpf.c': '#include "kernel.h"\n',
  'native/gate.cc': '#include "gate.h"\n',
  'native/gate.h': '#pragma once\n',
  'native/Makefile': 'all:\n',
  'scripts/run': '#!/bin/sh\necho ran\n',
  'image/Dockerfile': '# syntax=docker/dockerfile:1\nFROM a\n',
  'docs/page.md': '# Page\n',
};

const AFTER: Record<string, string> = {
  'src/main.ts': '// SPDX-License-Identifier: Apache-2.0\n/** What it does. */\n',
  'bpf/gate.bpf.c': '// SPDX-License-Identifier: GPL-2.0-only\n/* The gate. */\n',
  'bpf/flow.bpf.h': '/* SPDX-License-Identifier: GPL-2.0-only */\n',
  'bpf/kernel.h': '/* SPDX-License-Identifier: GPL-2.0-only */\n',
  'bpf/tlshub.h': '/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */\n#ifndef TLSHUB_H\n',
  'test/bpf/box.bpf.c': '// SPDX-License-Identifier: GPL-2.0-only\n#include "kernel.h"\n',
  'native/gate.cc': '// SPDX-License-Identifier: Apache-2.0\n#include "gate.h"\n',
  'native/gate.h': '/* SPDX-License-Identifier: Apache-2.0 */\n#pragma once\n',
  'native/Makefile': '# SPDX-License-Identifier: Apache-2.0\nall:\n',
  'scripts/run': '#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\necho ran\n',
  'image/Dockerfile': '# syntax=docker/dockerfile:1\n# SPDX-License-Identifier: Apache-2.0\nFROM a\n',
  'docs/page.md': '# Page\n',
};

describe('licences of sources', () => {
  const path = temporaryFolder();
  const run = (command: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(command, args, { cwd: path(), encoding: 'utf8' });
  const contents = (): Record<string, string> =>
    Object.fromEntries(Object.keys(BEFORE).map((file) => [file, readFileSync(path(file), 'utf8')]));

  before(() => {
    for (const [file, text] of Object.entries(BEFORE)) {
      mkdirSync(dirname(path(file)), { recursive: true });
      writeFileSync(path(file), text);
    }
    chmodSync(path('scripts/run'), 0o755);
    for (const file of ['scripts/spdx', 'scripts/lib.sh']) cpSync(file, path(file));
  });

  it('are missed where they are not said, or another one is', () => {
    const { status, stdout } = run('scripts/spdx');
    expect(status).to.equal(1);
    const missed = stdout.split('\n').map((line) => line.split(':')[0]);
    const wanted = Object.keys(BEFORE).filter((file) => AFTER[file] !== BEFORE[file]);
    expect(missed.filter((file) => file !== '' && file !== 'scripts/lib.sh')).to.have.members(wanted);
    expect(contents()).to.deep.equal(BEFORE);
  });

  it('are written by --fix, once', () => {
    for (let time = 0; time < 2; time++) {
      expect(run('scripts/spdx', '--fix')).to.include({ status: 0 });
      expect(contents()).to.deep.equal(AFTER);
    }
    expect(statSync(path('scripts/run')).mode & 0o777).to.equal(0o755);
    expect(run('scripts/spdx')).to.include({ status: 0, stdout: '' });
  });
});
