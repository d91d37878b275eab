# SPDX-License-Identifier: Apache-2.0
"""bodies.py HOST PORT: an HTTP server that answers GET /N with N bytes and POST with what it was sent; head and body by one call."""

import http.server
import sys


class Bodies(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def do_GET(self):
        size = int(self.path.strip("/"))
        self.answer((b"%07d\n" % size * (size // 8 + 1))[:size])

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))


http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Bodies).serve_forever()
