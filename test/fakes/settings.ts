// SPDX-License-Identifier: Apache-2.0
/** Settings of a node as files, and what a reloader needs around it, in memory. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { initCa, issueNode } from '../../src/tls/lab-ca/pki.js';

/** The files of node `a` in a folder: capture.conf, mapping.conf, and certificates by a CA of its own. */
export class NodeFiles {
  readonly config: string;
  readonly mapping: string;

  private constructor(readonly folder: string) {
    this.config = join(folder, 'capture.conf');
    this.mapping = join(folder, 'mapping.conf');
  }

  static async make(folder: string): Promise<NodeFiles> {
    const files = new NodeFiles(folder);
    mkdirSync(folder, { recursive: true });
    await files.certificates('pki');
    files.write();
    files.map('web a 10.0.0.1\ndb b 10.0.0.2\n');
    return files;
  }

  /** A CA and a certificate for node `a` in a folder of their own. */
  async certificates(name: string, options: { node?: string; days?: number } = {}): Promise<void> {
    const folder = join(this.folder, name);
    await initCa(folder, { name: `CA of ${name}`, days: Math.max(10, options.days ?? 10), force: true });
    await issueNode(folder, options.node ?? 'a', { days: options.days ?? 10, force: true });
  }

  /** capture.conf with these keys beside what names the other files. */
  write(keys: Record<string, string | number | boolean> = {}, pki = 'pki', node = 'a'): void {
    const all = {
      node_name: 'a',
      pod_node_config: 'mapping.conf',
      'tls.ca': `${pki}/ca.crt`,
      'tls.cert': `${pki}/${node}.crt`,
      'tls.key': `${pki}/${node}.key`,
      ...keys,
    };
    const lines = Object.entries(all).map(([key, value]) => `${key} = ${value}`);
    writeFileSync(this.config, `${lines.join('\n')}\n`);
  }

  map(text: string): void {
    writeFileSync(this.mapping, text);
  }
}
