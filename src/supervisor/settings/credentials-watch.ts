// SPDX-License-Identifier: Apache-2.0
/**
 * Whether the files of CA, certificate and key have changed, and may be read: looked at every few seconds by what stat(2) says.
 *
 * Not by inotify, which sees a folder's names and nothing behind a symbolic link, while that is where certificates change: Kubernetes
 * renames `..data`, certbot a link into another folder, and of an NFS mount nobody tells. Three calls of stat see all of them. A change is
 * reported when the files were the same at two looks in a row, so not while somebody writes them one after the other.
 */
import { statSync } from 'node:fs';
import type { Config } from '../../config/schema.js';

export class CredentialsWatch {
  /** of the files that were reported last; '' before the first time, since they may have changed after they were read at the start */
  private reported = '';
  /** at the last look */
  private seen = '';

  /** @param config the settings in force, asked each time */
  constructor(private readonly config: () => Pick<Config, 'tls'>) {}

  /** True once for each change, when it is over, and once at the beginning. */
  look(): boolean {
    const config = this.config();
    const now = stampOf(config);
    const settled = now === this.seen;
    this.seen = now;
    if (!settled || now === this.reported) return false;
    this.reported = now;
    return config.tls.watch;
  }
}

/** What tells one state of the files from another; a name that leads nowhere is a state too. */
function stampOf({ tls }: Pick<Config, 'tls'>): string {
  return [tls.ca, tls.cert, tls.key].map((file) => `${file} ${stampOfFile(file)}`).join('\n');
}

function stampOfFile(file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}
