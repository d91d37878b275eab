// SPDX-License-Identifier: Apache-2.0
/**
 * Shell completion, made from the commands themselves, so that it cannot fall behind them. The scripts are static: completing a word never
 * talks to the supervisor.
 */
import type { Argument, Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Options whose value is a file or folder. */
const FILE_OPTIONS = new Set(['--socket', '--dir', '--pin-dir', '--config', '--private-key', '--preshared-key']);

/** Values that make sense for an argument or option, where there are few. */
const suggestions = new WeakMap<Argument | Option, readonly string[]>();

export function suggest<T extends Argument | Option>(target: T, values: readonly string[]): T {
  suggestions.set(target, values);
  return target;
}

/** One command with all that may stand after it. */
interface Place {
  /** names of the commands that lead here; empty: the program itself */
  path: string[];
  commands: { name: string; description: string }[];
  options: { long: string; description: string; takesValue: boolean; values: readonly string[] }[];
  /** values of the first argument */
  values: readonly string[];
  takesFile: boolean;
}

function placesOf(program: Command): Place[] {
  const places: Place[] = [];
  const visit = (command: Command, path: string[], inherited: readonly Option[]): void => {
    const options = [...command.options, ...inherited].filter(({ long }) => long !== undefined);
    const [argument] = command.registeredArguments;
    places.push({
      path,
      commands: command.commands.map((one) => ({ name: one.name(), description: one.description() })),
      options: [
        ...options.map((option) => ({
          long: option.long ?? '',
          description: option.description,
          takesValue: option.required,
          values: suggestions.get(option) ?? [],
        })),
        { long: '--help', description: 'explain the command', takesValue: false, values: [] },
      ],
      values: (argument && suggestions.get(argument)) ?? [],
      takesFile: ['dir', 'file'].includes(argument?.name() ?? ''),
    });
    const handedOn = [...inherited, ...command.options.filter(({ long }) => long !== '--version')];
    for (const one of command.commands) visit(one, [...path, one.name()], handedOn);
  };
  visit(program, [], []);
  return places;
}

export function completionScript(program: Command, shell: Shell): string {
  const name = program.name();
  const places = placesOf(program);
  if (shell === 'fish') return fish(name, places);
  const script = bash(name, places);
  // zsh runs bash's completions; compinit must have been there before.
  return shell === 'bash' ? script : `autoload -U +X bashcompinit && bashcompinit\n${script}`;
}

/**
 * The function walks over the words before the cursor to find the command, then offers what may stand there. Words are only ever compared
 * and printed, never evaluated.
 */
function bash(name: string, places: Place[]): string {
  const key = (path: string[]): string => path.join(' ');
  const quote = (words: readonly string[]): string => `'${words.join(' ')}'`;
  const values = new Map<string, readonly string[]>();
  const takers = new Set<string>();
  for (const { options } of places) {
    for (const { long, takesValue, values: all } of options) {
      if (takesValue) takers.add(long);
      if (all.length > 0) values.set(long, all);
    }
  }
  const steps = places
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => `      '${key(path)}') place="$place\${place:+ }$word" ;;`);
  const offers = places.map(({ path, commands, values: all, options, takesFile }) => {
    const words = [...commands.map((one) => one.name), ...all];
    return `    '${key(path)}') offers=${quote(words)} options=${quote(options.map(({ long }) => long))}${takesFile ? ' files=yes' : ''} ;;`;
  });
  const files = [...takers].filter((long) => FILE_OPTIONS.has(long));
  const others = [...takers].filter((long) => !values.has(long) && !FILE_OPTIONS.has(long));
  const lists = [...values].map(
    ([long, all]) => `    ${long}) COMPREPLY=($(compgen -W ${quote(all)} -- "$current")); return ;;`,
  );
  return `# ${name}: source this, or put it where bash-completion looks
_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local place= word= offers= options= files= i skip=
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [ -n "$skip" ]; then skip=; continue; fi
    case $word in ${[...takers].join('|')}) skip=yes; continue ;; esac
    case "$place\${place:+ }$word" in
${steps.join('\n')}
    esac
  done
  COMPREPLY=()
  case $previous in
${lists.join('\n')}
    ${files.join('|')}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${others.join('|')}) return ;;
  esac
  case $place in
${offers.join('\n')}
  esac
  case $current in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *)
      COMPREPLY=($(compgen -W "$offers" -- "$current"))
      [ -z "$files" ] || COMPREPLY+=($(compgen -d -- "$current"))
      ;;
  esac
}
complete -F _${name} ${name}
`;
}

function fish(name: string, places: Place[]): string {
  const quote = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;
  const lines: string[] = [];
  for (const { path, commands, values, options, takesFile } of places) {
    const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
    const below = commands.map((one) => one.name);
    const notBelow = below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.join(' ')}`];
    const here = [...seen, ...notBelow];
    const condition = here.length === 0 ? '' : ` -n ${quote(here.join('; and '))}`;
    for (const one of commands) {
      lines.push(`complete -c ${name}${condition} -a ${one.name} -d ${quote(one.description)}`);
    }
    if (values.length > 0) lines.push(`complete -c ${name}${condition} -a ${quote(values.join(' '))}`);
    if (takesFile) lines.push(`complete -c ${name}${condition} -F`);
    for (const { long, description, takesValue, values: all } of options) {
      const wants = takesValue ? ' -r' : '';
      const list = all.length > 0 ? ` -f -a ${quote(all.join(' '))}` : FILE_OPTIONS.has(long) ? ' -F' : '';
      lines.push(`complete -c ${name}${condition} -l ${long.slice(2)}${wants}${list} -d ${quote(description)}`);
    }
  }
  return [
    `# ${name}: put this into ~/.config/fish/completions/${name}.fish`,
    `complete -c ${name} -f`,
    ...lines,
    '',
  ].join('\n');
}
