// SPDX-License-Identifier: Apache-2.0
/**
 * Many random cases from one seed. A failure says by which seed and case it is repeated:
 * TLSHUB_FUZZ_SEED sets the seed, TLSHUB_FUZZ_CASE runs that one case alone.
 */
import { Random } from './random.js';

/** No input of a few kilobytes takes as long, on a busy machine either; what does would hold up everything else in the agent. In ms. */
const LONGEST_MS = 10_000;

export interface Fuzzing {
  /** where TLSHUB_FUZZ_SEED does not say otherwise */
  seed: number;
  cases: number;
}

/**
 * Calls `run` for each case with random numbers of its own; what it throws is thrown with the seed and the case in front.
 * @returns true if those were all cases, so that it can be judged what they had in them
 */
export async function fuzz({ seed, cases }: Fuzzing, run: (random: Random) => unknown): Promise<boolean> {
  const base = Number(process.env['TLSHUB_FUZZ_SEED'] ?? seed);
  const only = process.env['TLSHUB_FUZZ_CASE'];
  const wanted = only === undefined ? Array.from({ length: cases }, (_, i) => i) : [Number(only)];
  for (const i of wanted) {
    const started = performance.now();
    try {
      const result = run(new Random(base + Math.imul(i, 0x9e3779b1)));
      if (result instanceof Promise) await result;
      const took = performance.now() - started;
      if (took > LONGEST_MS) throw new Error(`took ${took.toFixed()} ms`);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      throw new Error(`TLSHUB_FUZZ_SEED=${base} TLSHUB_FUZZ_CASE=${i}: ${text}`, { cause: error });
    }
  }
  return only === undefined;
}

/** The text with lines and words dropped, doubled, moved, or replaced by others of its kind; or with bytes changed, which spares nothing. */
export function mutateText(random: Random, text: string, words: readonly string[]): Buffer {
  if (random.below(3) === 0) return random.mutate(Buffer.from(text));
  const lines = text.split('\n');
  for (let n = 1 + random.below(4); n > 0; n--) {
    const at = random.below(lines.length);
    const line = lines[at] ?? '';
    const kind = random.below(6);
    if (kind === 0) lines.splice(at, 1);
    else if (kind === 1) lines.splice(random.below(lines.length + 1), 0, line);
    else if (kind === 2) lines.splice(random.below(lines.length + 1), 0, ...lines.splice(at, 1));
    else if (kind === 3) lines[at] = line.slice(0, random.below(line.length + 1)) + random.pick(words);
    else {
      const parts = line.split(/(\s+)/);
      parts[random.below(parts.length)] = random.pick(words);
      lines[at] = parts.join('');
    }
  }
  return Buffer.from(lines.join('\n'));
}

/** Words in a row, without sense. */
export function babble(random: Random, words: readonly string[], most: number): Buffer {
  return Buffer.from(Array.from({ length: random.below(most) }, () => random.pick(words)).join(''));
}

export interface FuzzedText {
  /** good ones, to be tainted */
  examples: readonly string[];
  words: readonly string[];
  /** words in a row that come without sense, at most */
  babbled: number;
  /** lines of the format's own, most of them no good */
  generated: (random: Random) => Buffer;
}

/** A text file as nobody should write it: tainted, made up, babble, or bytes. */
export function fuzzedText(random: Random, { examples, words, babbled, generated }: FuzzedText): Buffer {
  const kind = random.below(8);
  if (kind < 4) return mutateText(random, random.pick(examples), words);
  if (kind < 6) return generated(random);
  return kind === 6 ? babble(random, words, babbled) : random.bytes(random.below(300));
}

/** The first lines of a file, as they are. */
export function firstLines(contents: Buffer, count: number): Buffer {
  let end = 0;
  for (let n = 0; n < count; n++) {
    const newline = contents.indexOf(0x0a, end);
    if (newline === -1) return contents;
    end = newline + 1;
  }
  return contents.subarray(0, end);
}
