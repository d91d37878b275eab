// SPDX-License-Identifier: Apache-2.0
/** A node's files, and how tests change them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { lab, type MeshNode } from '../harness/index.js';

/** capture.conf of a node of the lab, as `up` wrote it. */
export class NodeConfig {
  private constructor(
    readonly file: string,
    private readonly original: string,
  ) {}

  static of(node: MeshNode): NodeConfig {
    const file = lab.config(node);
    return new NodeConfig(file, readFileSync(file, 'utf8'));
  }

  /** The value of a key as `up` wrote it. */
  get(key: string): string {
    const line = this.original.split('\n').find((text) => text.startsWith(`${key} = `));
    if (line === undefined) throw new Error(`capture.conf of the lab does not set ${key}`);
    return line.slice(key.length + 3);
  }

  /** Writes the original with these keys instead, or in addition. */
  write(keys: Record<string, string | number | boolean> = {}): void {
    const kept = this.original
      .split('\n')
      .filter((line) => !Object.keys(keys).some((key) => line.startsWith(`${key} =`)));
    const changed = Object.entries(keys).map(([key, value]) => `${key} = ${value}`);
    writeFileSync(this.file, [...changed, ...kept].join('\n'));
  }
}

/** Asks for a page again and again on one connection; ends with status 7 and the error's name when it is taken away. */
export const KEEP_ASKING = `
import socket, sys, time
s = socket.create_connection(("10.77.0.2", int(sys.argv[1])))
try:
    while True:
        s.sendall(b"GET /byte HTTP/1.1\\r\\nHost: b\\r\\n\\r\\n")
        if not s.recv(4096): raise EOFError("closed")
        print("ok", flush=True)
        time.sleep(0.2)
except Exception as error:
    print(type(error).__name__, flush=True)
    sys.exit(7)
`;
