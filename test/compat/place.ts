// SPDX-License-Identifier: Apache-2.0
/** One of the two runs of a situation: where its programs run, and what was seen of them. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { lab, waitFor, type Node, type Program, type ProgramOptions } from '../vm/harness/index.js';
import { patience } from '../speed.js';
import { CONTENT, contentAt, digestOf, WORLD, type ContentName } from './content.js';
import { FIRST_PORT, PORTS_EACH, TRACED, type Way } from './ports.js';

/** Of a server on node b, and of one on node a. */
const ADDRESSES = { IPv4: { a: '10.77.0.1', b: '10.77.0.2' }, IPv6: { a: 'fd77::1', b: 'fd77::2' } } as const;
export type Family = keyof typeof ADDRESSES;

/** For a client; and for a server to listen. */
const DEADLINE_MS = 30_000;

/** Of a client that has not come to its end. */
const LATE = 'did not end';

/** What a client did: an answer of its own, or a file that it has left. */
export interface Step {
  what: string;
  /** exit status or signal; undefined for a file */
  status: string | undefined;
  stdout: string;
  stderr: string;
}

export interface ServerOptions extends ProgramOptions {
  /** default: the first */
  port?: number;
  /** default b */
  node?: Node;
}

export interface ClientOptions extends ProgramOptions {
  /** what it is called in the table (default: the program's name) */
  name?: string;
  /** its standard error says how long things took, or what its parts did in turn: not compared */
  quiet?: boolean;
}

/** A string is a line for bash. */
export type Command = readonly string[] | string;
const wordsOf = (command: Command): readonly string[] =>
  typeof command === 'string' ? ['bash', '-c', command] : command;

export class Place {
  readonly way: Way;
  readonly family: Family;
  /** node b's address, and node a's */
  readonly host: string;
  readonly origin: string;
  /** of its own, the same for every run; its path is as long in both ways */
  readonly folder: string;
  readonly steps: Step[] = [];
  readonly #first: number;
  readonly #traces: string | undefined;
  readonly #programs: Program[] = [];

  /** @param traces where to leave what strace says of every program; undefined: without strace */
  constructor(way: Way, family: Family, number: number, traces?: string) {
    this.way = way;
    this.family = family;
    this.host = ADDRESSES[family].b;
    this.origin = ADDRESSES[family].a;
    this.folder = join(WORLD, `${way === 'plain' ? 'p' : 's'}${String(number).padStart(3, '0')}`);
    this.#first = FIRST_PORT[way] + PORTS_EACH * number + (traces === undefined ? 0 : TRACED);
    this.#traces = traces;
    rmSync(this.folder, { recursive: true, force: true });
    this.make('.');
  }

  /** The n-th of its ports. */
  port(n = 0): number {
    if (n >= PORTS_EACH) throw new Error(`a situation has ${PORTS_EACH} ports`);
    return this.#first + n;
  }

  has(port: number): boolean {
    return port >= this.#first && port < this.#first + PORTS_EACH;
  }

  /** An address with a port, as URLs have it: of the first server on node b unless said. */
  authority(port = this.port(), host = this.host): string {
    return `${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  url(path: string, port?: number): string {
    return `http://${this.authority(port)}${path}`;
  }

  /** A path in its folder; written there, the path too. */
  at(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, content: string, mode = 0o644): string {
    writeFileSync(this.at(name), content);
    chmodSync(this.at(name), mode);
    return this.at(name);
  }

  make(name: string, mode = 0o777): string {
    mkdirSync(this.at(name), { recursive: true });
    chmodSync(this.at(name), mode); // whatever the umask is
    return this.at(name);
  }

  content(name: ContentName): string {
    return contentAt(name);
  }

  get contents(): string {
    return CONTENT;
  }

  /** Starts a server and waits until something listens on its port. */
  async server(command: Command, options: ServerOptions = {}): Promise<Program> {
    const { port = this.port(), node = 'b', ...rest } = options;
    const program = this.#spawn(node, command, rest);
    try {
      await program.listening(port, DEADLINE_MS);
    } catch (error) {
      throw new Error(
        `${wordsOf(command).join(' ').slice(0, 120)} does not listen: ${program.stderr}${program.stdout}`,
        { cause: error },
      );
    }
    return program;
  }

  /** Runs a client to its end; what it printed is compared. */
  async client(command: Command, { name, quiet = false, ...options }: ClientOptions = {}): Promise<void> {
    const program = this.start(command, options);
    let timer: NodeJS.Timeout | undefined;
    // Not only until it is killed: what it has left behind may keep its output open.
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => {
        program.kill();
        resolve(undefined);
      }, patience(DEADLINE_MS));
    });
    const result = await Promise.race([program.ended, late]);
    clearTimeout(timer);
    this.steps.push({
      what: name ?? basename(wordsOf(command)[typeof command === 'string' ? 2 : 0]!.split(' ')[0]!),
      status: result === undefined ? LATE : String(result.code ?? result.signal),
      stdout: program.stdout,
      stderr: quiet ? '' : program.stderr,
    });
  }

  /** A client beside others, of which nothing is compared. */
  start(command: Command, options: ProgramOptions = {}): Program {
    return this.#spawn('a', command, options);
  }

  /** A file that a client has left must be that content. */
  holds(file: string, name: ContentName): void {
    const path = this.at(file);
    const is = !existsSync(path)
      ? 'not there'
      : digestOf(path) === digestOf(contentAt(name))
        ? `the content of ${name}`
        : `${statSync(path).size} bytes that are not ${name}`;
    this.steps.push({ what: file, status: undefined, stdout: is, stderr: '' });
  }

  /** The end of a text that a program writes to a file, once it is there. */
  async contains(file: string, text: string): Promise<void> {
    const there = (): boolean => existsSync(this.at(file)) && readFileSync(this.at(file), 'utf8').includes(text);
    const is = await waitFor(there, DEADLINE_MS, file).catch(() => false);
    this.steps.push({ what: file, status: undefined, stdout: is ? `has ${text}` : `lacks ${text}`, stderr: '' });
  }

  /** Waits for a server to be of use, where listening is not enough. The probe runs on the server's node, not captured: by another way than TCP. */
  async until(probe: Command, what: string): Promise<void> {
    const works = async (): Promise<boolean> =>
      (await lab.exec('b', wordsOf(probe), { outside: true, cwd: this.folder })).code === 0;
    await waitFor(works, DEADLINE_MS, what, 200);
  }

  /** Makes what a server needs, where nobody is captured; it may take long. */
  async prepare(command: readonly string[], user = 'root'): Promise<void> {
    const { code, stdout, stderr } = await lab.exec('b', command, {
      outside: true,
      timeoutMs: 240_000,
      cwd: '/',
      user,
    });
    if (code !== 0) throw new Error(`${command.join(' ')}: ${stdout}${stderr}`);
  }

  /** Ends what leads a group of its own; the lab's cgroups end the rest. */
  end(): void {
    for (const program of this.#programs) program.kill();
  }

  #spawn(node: Node, command: Command, options: ProgramOptions): Program {
    const words = [...wordsOf(command)];
    if (this.#traces !== undefined) {
      const file = join(this.#traces, `${this.way}.${this.#programs.length}.${basename(words[0]!)}`);
      words.unshift('strace', '-f', '-tt', '-s', '64', '-o', file);
    }
    const program = lab.spawn(node, words, { cwd: this.folder, ...options, outside: this.way === 'plain' });
    this.#programs.push(program);
    return program;
  }
}
