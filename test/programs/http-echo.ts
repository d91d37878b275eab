// SPDX-License-Identifier: Apache-2.0
/** An HTTP server that returns what it is sent. `node http-echo.js PORT`. Knows nothing of TLS. */
import { createServer } from 'node:http';

createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  request.pipe(response);
}).listen(Number(process.argv[2]));
