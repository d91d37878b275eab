// SPDX-License-Identifier: Apache-2.0
/** The command line of tlshubctl, and the exit status of each way it can end. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { environmentName, keySpec } from '../config/keys.js';
import { isFlowState } from '../control/flow-query.js';
import { FLOW_STATES, type FlowState } from '../report/flow.js';
import { ERROR_CODES } from '../shared/errors/catalog.js';
import { EXIT, asTlshubError, describeError, toWire } from '../shared/errors/errors.js';
import { printable } from '../shared/text/printable.js';
import { VERSION } from '../shared/files/package.js';
import * as commands from './commands.js';
import { SHELLS, completionScript, suggest, type Shell } from './completion.js';
import type { CliContext, GlobalOptions } from './context.js';
import { examplesText } from './examples.js';
import { FLOW_ORDERS, type FlowOrder } from './flow-order.js';
import { explain } from './explain.js';
import type * as moduleCommands from './module-commands.js';

const EXIT_HELP = `
Exit status: 0 worked, 1 failed (also: no supervisor), 64 usage, 69 the kernel cannot do it, 77 not permitted, 78 configuration.`;

const DEFAULT_PKI_DIR = '/etc/tlshub/pki';

/**
 * Runs one command line (without `node` and the script's name).
 * @returns the exit status; never throws
 */
export async function run(argv: readonly string[], context: CliContext): Promise<number> {
  const program = buildProgram(context);
  try {
    if (argv.length === 0) {
      context.err(program.helpInformation());
      return EXIT.usage;
    }
    await program.parseAsync(argv, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const failure = asTlshubError(error);
    const json = program.opts<GlobalOptions>().json === true;
    const text = describeError(failure).split('\n').map(printable).join('\n');
    context.err(json ? `${JSON.stringify({ error: toWire(failure) })}\n` : `tlshubctl: ${text}\n`);
    return failure.exitCode;
  }
}

/** The commands and their options; `context` is for what they do when they are run. */
export function buildProgram(context: CliContext): Command {
  const program = new Command('tlshubctl');
  // Before any subcommand is made: they inherit it.
  program
    .exitOverride()
    .configureOutput({ writeOut: (text) => context.out(text), writeErr: (text) => context.err(text) });
  program.configureHelp({ showGlobalOptions: true }).showHelpAfterError('(tlshubctl --help lists the commands)');
  const socketKey = environmentName('control_socket');
  program
    .description('Looks at and steers the TLSHub node agent.')
    .version(VERSION)
    .option('--json', 'print JSON instead of text')
    .option(
      '--socket <path>',
      `control socket of the supervisor (or ${socketKey})`,
      context.env[socketKey] ?? String(keySpec('control_socket').default),
    )
    .addHelpText('after', examplesText(''))
    .addHelpText('after', EXIT_HELP);
  const globals = (): GlobalOptions => program.opts<GlobalOptions>();

  program
    .command('check')
    .description('what this kernel can do, and the remedy for each thing missing; needs no supervisor')
    .option(
      '--config <file>',
      'look at this configuration instead, and at certificates, mapping, library and peers that it names',
    )
    .action(({ config }: { config?: string }) =>
      config === undefined ? commands.check(context, globals()) : commands.checkFiles(context, globals(), config),
    );
  program
    .command('status')
    .description(
      'whether new connections are secured, what is amiss and what to do; certificates, mapping, connections',
    )
    .option('--ready', 'end with 1 unless it is ready')
    .option('-v, --verbose', 'also how it is inside: provider, threads, rings, gate, start')
    .addOption(new Option('--wait <seconds>', 'with --ready: give it this long to become so').argParser(interval))
    .action((options: commands.StatusOptions) => commands.status(context, globals(), options));
  addFlows(program, context, globals);
  program
    .command('channels')
    .description('channels to other nodes, by which both ends know the keys of connections (exchange = channel)')
    .action(() => commands.channels(context, globals()));
  program
    .command('explain')
    .description('what an error code means and what to do about it; without one, all there are; needs no supervisor')
    .addArgument(suggest(new Argument('[code]', 'as in the log, in flows and in status'), ERROR_CODES))
    .action((code?: string) => explain(context, globals(), code));
  program
    .command('metrics')
    .description('counters, gauges and histograms in the text format of Prometheus')
    .action(() => commands.metrics(context, globals()));
  program
    .command('reload')
    .description(
      'read configuration, mapping and certificates anew; if something is wrong with them, all stays as it is',
    )
    .action(() => commands.reload(context, globals()));
  const pinKey = environmentName('bpf_pin_dir');
  program
    .command('release')
    .description(
      'take the gate of an agent away that was stopped or killed and has no successor: what it holds is ended, what is secured runs on; needs no supervisor',
    )
    .option(
      '--pin-dir <path>',
      `where the agent has pinned its gate (or ${pinKey})`,
      context.env[pinKey] ?? String(keySpec('bpf_pin_dir').default),
    )
    .addOption(
      new Option('--wait <seconds>', 'give the guardian of an agent that has just gone this long to end').argParser(
        interval,
      ),
    )
    .action((options: commands.ReleaseOptions) => commands.release(context, globals(), options));
  program
    .command('bug-report')
    .description(
      'write what one needs to find a mistake into an archive that holds no key: status, connections, settings, kernel, log; needs no supervisor',
    )
    .addArgument(new Argument('[file]', 'a new .tar.gz; without it one named by the time, in this folder'))
    .action((file?: string) => commands.bugReport(context, globals(), file));
  addMapping(program, context, globals);
  addModule(program, context, globals);
  addPki(program, context, globals);
  program
    .command('completion')
    .description('print the completion of a shell')
    .addArgument(suggest(new Argument('<shell>').choices(SHELLS), SHELLS))
    .action((shell: Shell) => context.out(completionScript(program, shell)));
  addExamples(program, []);
  return program;
}

/** Under every command's help, where there are some. */
function addExamples(command: Command, path: string[]): void {
  for (const one of command.commands) {
    const here = [...path, one.name()];
    one.addHelpText('after', examplesText(here.join(' ')));
    addExamples(one, here);
  }
}

const OUTPUTS = ['wide', 'json'] as const;

interface FlowOptions {
  state?: FlowState[];
  pod?: string;
  watch?: number;
  sort?: FlowOrder;
  output?: (typeof OUTPUTS)[number];
}

function addFlows(program: Command, context: CliContext, globals: () => GlobalOptions): void {
  const states = suggest(new Option('--state <states>', `only these: ${FLOW_STATES.join(', ')}`), FLOW_STATES);
  const watch = new Option(
    '--watch [seconds]',
    'a live view, asked for as often as this; waits while the supervisor is away',
  )
    .preset(1)
    .argParser(interval);
  const orders = `${FLOW_ORDERS.join(', ')} (state: what needs a look first, then the newest)`;
  const sort = suggest(new Option('--sort <key>', `order by ${orders}`).choices(FLOW_ORDERS), FLOW_ORDERS);
  const output = suggest(
    new Option('-o, --output <form>', 'wide: every column, with the remedy, however long lines are; json').choices(
      OUTPUTS,
    ),
    OUTPUTS,
  );
  program
    .command('flows')
    .description('connections: who, where to, by which provider and cipher, held for how long')
    .addOption(states.argParser(flowStates))
    .option('--pod <pod>', 'only those whose peer is this pod; its namespace may be left out')
    .addOption(sort)
    .addOption(output)
    .addOption(watch)
    .action((options: FlowOptions) => {
      const query = {
        ...(options.state === undefined ? {} : { states: options.state }),
        ...(options.pod === undefined ? {} : { pod: options.pod }),
      };
      const global: GlobalOptions = { ...globals(), ...(options.output === 'json' && { json: true }) };
      const { watch: seconds, sort: order } = options;
      return commands.flows(context, global, {
        query,
        wide: options.output === 'wide',
        ...(seconds === undefined ? {} : { watch: seconds }),
        ...(order === undefined ? {} : { sort: order }),
      });
    });
}

/** Comma-separated, and again for more. */
function flowStates(text: string, before: FlowState[] = []): FlowState[] {
  return [
    ...before,
    ...text.split(',').map((name) => {
      if (isFlowState(name)) return name;
      throw new InvalidArgumentError(`"${name.slice(0, 60)}" is no state; there are ${FLOW_STATES.join(', ')}.`);
    }),
  ];
}

function interval(text: string): number {
  const seconds = /^\d{1,5}(?:\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
  if (seconds >= 0.1) return seconds;
  throw new InvalidArgumentError('It is a number of seconds, 0.1 or more.');
}

function addMapping(program: Command, context: CliContext, globals: () => GlobalOptions): void {
  const mapping = program.command('mapping').description('the Pod-Node mapping in force');
  mapping
    .command('get <pod>')
    .description('node and addresses of one pod')
    .action((pod: string) => commands.mappingGet(context, globals(), pod));
  mapping
    .command('list')
    .description('all pods')
    .action(() => commands.mappingList(context, globals()));
  const mode = program.command('mode').description('the key provider in force');
  mode
    .command('get')
    .description('print it')
    .action(() => commands.modeGet(context, globals()));
  const modes = ['tlshub', 'openssl', 'boringssl'];
  mode
    .command('set')
    .addArgument(suggest(new Argument('<mode>', modes.join(', ')), modes))
    .description('use another one for new connections, until the next reload; those under way finish with the old one')
    .action((name: string) => commands.modeSet(context, globals(), name));
}

/** Several, or one with commas. */
const list = (text: string, before: string[] = []): string[] => [...before, ...text.split(',')];

/** @returns a parser of whole numbers from `least` to `most` */
function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`);
  };
}

/** The TLSHub module of this network namespace. What its commands do is loaded when one is asked for. */
function addModule(program: Command, context: CliContext, globals: () => GlobalOptions): void {
  const load = (): Promise<typeof moduleCommands> => import('./module-commands.js');
  const hub = program
    .command('tlshub')
    .description('the TLSHub kernel module of this network namespace; needs root, and no supervisor');
  hub
    .command('show')
    .description('what this node is to its peers, and what was counted')
    .action(async () => (await load()).showNode(context, globals()));
  hub
    .command('peers')
    .description('the nodes that it shares keys with: where, since when, how many')
    .action(async () => (await load()).showPeers(context, globals()));
  hub
    .command('keys')
    .description('connections that it has keys for or is making them, without the keys')
    .action(async () => (await load()).showKeys(context, globals()));
  hub
    .command('genkey')
    .description('print a new private key; it goes into a file that only root reads')
    .action(async () => (await load()).genkey(context, globals()));
  hub
    .command('pubkey')
    .description('print the public half of a private key')
    .option('--private-key <file>', 'where it is', '/dev/stdin')
    .action(async (options: { privateKey: string }) => (await load()).pubkey(context, globals(), options.privateKey));
  const networks = (command: Command, whose: string): Command =>
    command
      .addOption(new Option('--networks <prefixes>', `addresses of ${whose} pods, as 10.1.0.0/16`).argParser(list))
      .option('--replace-networks', 'they take the place of all that it has; else they are added');
  networks(hub.command('set'), "this node's")
    .description('change what this node is; what is not given stays. Another private key ends all sessions')
    .option('--private-key <file>', 'its private key, as genkey prints it')
    .addOption(new Option('--listen-port <port>', 'UDP; 0: none').argParser(whole(0, 65_535)))
    .addOption(new Option('--lifetime-ms <ms>', 'a key that nobody fetches').argParser(whole(100, 600_000)))
    .addOption(new Option('--start-ms <ms>', 'after this a START has failed').argParser(whole(100, 60_000)))
    .action(async (options: moduleCommands.NodeOptions) => (await load()).setNode(context, globals(), options));
  networks(hub.command('set-peer <node>'), "the peer's")
    .description('add a peer, or change one; what is not given stays')
    .option('--public-key <key>', 'base64, as pubkey prints it; a new peer needs one')
    .option('--preshared-key <file>', 'a key that both nodes have beside, as genkey prints it')
    .option('--endpoint <address:port>', 'where it listens; without one only the peer can begin')
    .action(async (node: string, options: moduleCommands.PeerOptions) =>
      (await load()).setPeer(context, globals(), node, options),
    );
  hub
    .command('remove-peer <node>')
    .description('forget a peer: its sessions end')
    .action(async (node: string) => (await load()).removePeer(context, globals(), node));
}

function addPki(program: Command, context: CliContext, globals: () => GlobalOptions): void {
  const pki = program.command('pki').description('a lab CA and node certificates (ECDSA P-256); needs no supervisor');
  const validity = (command: Command, days: string): Command =>
    command
      .option('--days <n>', 'validity from now; negative: already expired', days)
      .option('--not-after <date>', 'end of validity instead of --days')
      .option('--not-before <date>', 'begin of validity')
      .option('--force', 'replace files that exist');
  validity(pki.command('init <dir>'), '3650')
    .description('make a CA in a folder: ca.crt and ca.key')
    .option('--name <name>', 'common name of the CA', 'TLSHub lab CA')
    .action((dir: string, options: commands.PkiOptions & { name: string }) =>
      commands.pkiInit(context, { ...globals(), ...options }, dir),
    );
  validity(pki.command('issue <node>'), '365')
    .description('issue a certificate for a node: NODE.crt and NODE.key')
    .option('--dir <dir>', 'folder of the CA', DEFAULT_PKI_DIR)
    .option(
      '--as <name>',
      "name of the files instead of the node's: node makes node.crt and node.key, the defaults of the agent",
    )
    .action((node: string, options: commands.PkiOptions & { dir: string; as?: string }) =>
      commands.pkiIssue(context, { ...globals(), ...options }, node),
    );
}
