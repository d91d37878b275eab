// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { SecretMemory } from '../../src/shared/kernel/kernel-addon.js';
import { tellIfUnlocked, wipeForgotten } from '../../src/supervisor/secret-memory.js';
import { memoryLogger } from '../fakes/memory-logger.js';

describe('the memory for secrets, as the supervisor looks after it', () => {
  const state = (problem: string): SecretMemory => ({ bytes: 65536, lockedBytes: 0, secrets: 0, expired: 0, problem });

  it('says that it cannot be locked, with code and remedy, and nothing when it is', () => {
    const { log, lines } = memoryLogger();
    tellIfUnlocked({ secretMemory: () => state('') }, log);
    expect(lines).to.deep.equal([]);
    tellIfUnlocked({ secretMemory: () => state('Cannot allocate memory') }, log);
    const [line] = lines;
    expect(line).to.include({ level: 'warning' });
    expect(line!.message).to.include('LimitMEMLOCK=infinity');
    expect(line!.fields.error).to.include({ code: 'TLSHUB_MEMORY_NOT_LOCKED' });
    expect((line!.fields.error as Error).message).to.include('Cannot allocate memory');
  });

  it('wipes after a minute what the installer never took, and says how many', () => {
    const { log, lines } = memoryLogger();
    const asked: number[] = [];
    const wiping = (count: number) => ({
      expireSecrets: (ms: number) => {
        asked.push(ms);
        return count;
      },
    });
    wipeForgotten(wiping(0), log);
    expect(lines).to.deep.equal([]);
    wipeForgotten(wiping(2), log);
    expect(asked).to.deep.equal([60_000, 60_000]);
    expect(JSON.stringify(lines)).to.include('secrets of 2 connections');
  });

  it('is never asked by the agent to show one: only the client of the package does, for other programs', () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const using = (call: string): string[] =>
      sources.filter((file) => readFileSync(join('src', file), 'utf8').includes(call));
    expect(using('.revealSecret(')).to.deep.equal(['tlshub/client.ts']);
    expect(using('.fetchKey(')).to.deep.equal([]);
    // What makes secrets in JavaScript is for other programs too.
    expect(using('key-schedule.js')).to.have.members(['index.ts', 'tlshub/key-schedule.ts']);
  });
});
