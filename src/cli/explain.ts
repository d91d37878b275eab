// SPDX-License-Identifier: Apache-2.0
/** `tlshubctl explain CODE`: what an error code means and what to do, from the catalogue that the errors are made from. */
import { ERROR_CATALOG, ERROR_CODES, catalogEntry, type ErrorCode } from '../shared/errors/catalog.js';
import { UsageError } from '../shared/errors/errors.js';
import { show, type CliContext, type GlobalOptions } from './context.js';
import { table } from './tables.js';
import { wrapped } from './width.js';

const PREFIX = 'TLSHUB_';

/** @throws UsageError for a code that there is not */
export function explain(context: CliContext, options: GlobalOptions, asked?: string): void {
  if (asked === undefined) {
    const all = ERROR_CODES.map((code) => ({ code, ...ERROR_CATALOG[code] }));
    show(context, options, all, () => table(all.map(({ code, meaning }) => [code, meaning])));
    return;
  }
  const code = named(asked);
  const entry = catalogEntry(code);
  if (entry === undefined) throw unknown(asked, code);
  show(context, options, { code, ...entry }, () =>
    [
      code,
      wrapped(context, entry.meaning, '  '),
      '',
      wrapped(context, `What to do: ${entry.remedy}`, '  '),
      '',
      wrapped(context, `A command that ends with it has exit status ${entry.exitCode}.`, '  '),
    ].join('\n'),
  );
}

/** As it is written, in any case, with or without its prefix. */
function named(asked: string): string {
  const upper = asked.toUpperCase();
  return upper.startsWith(PREFIX) ? upper : PREFIX + upper;
}

function unknown(asked: string, code: string): UsageError {
  const words = new Set(code.slice(PREFIX.length).split('_'));
  const alike = (one: ErrorCode): number => one.split('_').filter((word) => words.has(word)).length;
  const near = ERROR_CODES.filter((one) => alike(one) > 0)
    .sort((a, b) => alike(b) - alike(a))
    .slice(0, 3);
  const remedy = near.length === 0 ? '`tlshubctl explain` lists all codes.' : `Did you mean ${near.join(' or ')}?`;
  return new UsageError(`there is no code ${asked.slice(0, 60)}`, { remedy });
}
