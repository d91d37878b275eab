// SPDX-License-Identifier: Apache-2.0
/** docs/man: the manual pages (roff, man(7)), from the commands themselves and from the schema of the configuration. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Command, Option } from 'commander';
import type { CliContext } from '../src/cli/context.js';
import { EXAMPLES } from '../src/cli/examples.js';
import { buildProgram } from '../src/cli/program.js';
import { KEY_NAMES, environmentName, keySpec } from '../src/config/keys.js';
import { VERSION } from '../src/shared/files/package.js';

/** Text that roff takes for text: no escapes, no requests, and `-` as it is typed. */
const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&');
const bold = (text: string): string => `\\fB${roff(text)}\\fR`;
/** Code in backticks is bold. */
const prose = (text: string): string =>
  text
    .split(/`([^`]*)`/)
    .map((part, i) => (i % 2 === 1 ? bold(part) : roff(part)))
    .join('');
const section = (title: string, ...lines: string[]): string => [`.SH ${title}`, ...lines].join('\n');
/** A term, and what it is, one or more paragraphs. */
const entry = (term: string, ...paragraphs: string[]): string =>
  ['.TP', bold(term), paragraphs.map(prose).join('\n.IP\n')].join('\n');
const literal = (text: string): string => `.nf\n${roff(text)}\n.fi`;
const page = (name: string, chapter: number, about: string, ...sections: string[]): string =>
  [
    `.\\" Made from the program's own texts by node build/tools/docs.js; do not edit.`,
    `.TH ${name.toUpperCase()} ${chapter} "" "tlshub\\-ebpf ${roff(VERSION)}" "TLShub\\-eBPF"`,
    section('NAME', `${roff(name)} \\- ${roff(about)}`),
    ...sections,
    '',
  ].join('\n');

const seeAlso = (own: string): string =>
  section(
    'SEE ALSO',
    ['tlshubctl(1)', 'tlshub.conf(5)', 'tlshubd(8)']
      .filter((name) => !name.startsWith(`${own}(`))
      .map((name) => `.BR ${name.replace('(', ' (')}`)
      .join(' ,\n'),
    '.PP',
    roff('/usr/lib/tlshub/docs has the documents: INTEGRATION_GUIDE.md is the one to begin with.'),
  );

const option = ({ flags, description }: Option): string => entry(flags, description);

/** A command, and those below it. */
function commandText(command: Command, path: string[]): string[] {
  const name = [...path, command.name()].join(' ');
  if (command.commands.length > 0)
    return command.commands.flatMap((one) => commandText(one, [...path, command.name()]));
  const words = command.registeredArguments.map((one) => (one.required ? `<${one.name()}>` : `[${one.name()}]`));
  const examples = (EXAMPLES[name] ?? []).map(([text, meaning]) =>
    meaning === '' ? text : `${text}\n    # ${meaning}`,
  );
  return [
    `.SS ${roff([name, ...words].join(' '))}`,
    prose(command.description()),
    ...command.registeredArguments
      .filter((one) => one.description !== '')
      .map((one) => entry(one.name(), one.description)),
    ...command.options.map(option),
    ...(examples.length === 0 ? [] : ['.PP', literal(examples.join('\n'))]),
  ];
}

export function renderTlshubctl(): string {
  // Nothing is run, so there is nothing for a command to reach.
  const program = buildProgram({ env: {} } as CliContext);
  return page(
    'tlshubctl',
    1,
    'look at and steer the TLSHub node agent',
    section('SYNOPSIS', `${bold('tlshubctl')} [options] command [arguments]`),
    section('DESCRIPTION', prose(program.description()), '.PP', prose('`tlshubctl help COMMAND` shows one command.')),
    section('OPTIONS', ...program.options.map(option), entry('-h, --help', 'explain the command')),
    section('COMMANDS', ...program.commands.flatMap((one) => commandText(one, []))),
    section(
      'EXIT STATUS',
      entry('0', 'it worked'),
      entry('1', 'it failed; also: there is no supervisor'),
      entry('64', 'usage'),
      entry('69', 'the kernel cannot do it'),
      entry('77', 'not permitted'),
      entry('78', 'configuration'),
    ),
    section('ENVIRONMENT', entry(environmentName('control_socket'), 'as `--socket`')),
    seeAlso('tlshubctl'),
  );
}

export function renderTlshubd(): string {
  const supervisor = fileURLToPath(new URL('../src/supervisor.js', import.meta.url));
  const [usage = '', ...text] = execFileSync(process.execPath, [supervisor, '--help'], { encoding: 'utf8' })
    .trimEnd()
    .split('\n\n');
  return page(
    'tlshubd',
    8,
    'the TLSHub node agent: transparent mutual TLS between workloads',
    section('SYNOPSIS', prose(usage.replace(/^usage: /, '').replace(/ +\(.*/, ''))),
    section(
      'DESCRIPTION',
      prose(
        'New connections of captured programs are held until their keys are negotiated with the node of their peer, and encrypted by the kernel from then on.',
      ),
      '.PP',
      literal(text.join('\n\n')),
    ),
    section(
      'FILES',
      entry('/etc/tlshub/capture.conf', 'the configuration: tlshub.conf(5)'),
      entry('/etc/tlshub/pod_node_mapping.conf', 'which pods and services are on which node, at which addresses'),
      entry(String(keySpec('control_socket').default), 'where tlshubctl(1) reaches it'),
      entry(String(keySpec('bpf_pin_dir').default), 'the gate, which stays when the agent ends'),
    ),
    seeAlso('tlshubd'),
  );
}

export function renderTlshubConf(): string {
  const keys = KEY_NAMES.map((name) => {
    const { format, default: fallback, doc, defaultNote, restart } = keySpec(name);
    const value = defaultNote ?? format.encode(fallback);
    const last = restart === undefined ? '' : ` A reload does not change it: ${restart}.`;
    return entry(name, doc, `Allowed: ${format.allowed}. Default: ${value === '' ? 'nothing' : value}.${last}`);
  });
  return page(
    'tlshub.conf',
    5,
    'configuration of the TLSHub node agent',
    section('SYNOPSIS', bold('/etc/tlshub/capture.conf')),
    section(
      'DESCRIPTION',
      prose(
        '`key = value` lines in UTF-8. `#` begins a comment at the start of a line or after white space. A key that does not exist, that is set twice or whose value is not allowed is an error with its line; `tlshubctl check --config FILE` names all that is wrong at once.',
      ),
      '.PP',
      prose(
        `Each key can also be set by the environment, \`TLSHUB_\` and the key in capitals with dots as underscores (\`${environmentName('openssl.pool_size')}\`), which goes before the file.`,
      ),
    ),
    section('KEYS', ...keys),
    seeAlso('tlshub.conf'),
  );
}
