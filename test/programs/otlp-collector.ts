// SPDX-License-Identifier: Apache-2.0
/**
 * Takes what is sent to it by OTLP over HTTP and keeps each request in a file, `metrics-N` or `logs-N`, as it came.
 * `node otlp-collector.js PORT FOLDER`, on loopback.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { buffer } from 'node:stream/consumers';

const [port = '', folder = ''] = process.argv.slice(2);
let number = 0;
createServer((request, response) => {
  void buffer(request).then((body) => {
    const file = join(folder, `${basename(request.url ?? '')}-${number++}`);
    writeFileSync(`${file}.part`, body);
    renameSync(`${file}.part`, file);
    response.writeHead(200).end();
  });
}).listen(Number(port), '127.0.0.1');
