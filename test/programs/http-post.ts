// SPDX-License-Identifier: Apache-2.0
/** Sends a file to an HTTP server and writes what comes back to another. `node http-post.js URL FILE OUT`. Knows nothing of TLS. */
import { createReadStream, createWriteStream } from 'node:fs';
import { request } from 'node:http';
import { pipeline } from 'node:stream/promises';

const [url = '', file = '', out = ''] = process.argv.slice(2);
const post = request(url, { method: 'POST', agent: false });
post.on('response', (response) => void pipeline(response, createWriteStream(out)));
await pipeline(createReadStream(file), post);
