// SPDX-License-Identifier: Apache-2.0
/**
 * Text from elsewhere on one line of a terminal: names of programs and reasons come from other users and peers, and must not move the
 * cursor, start a line of their own, or colour the screen (C0, DEL and C1 of ECMA-48).
 */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (character) => {
    if (character === '\n') return ' ';
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
