# SPDX-License-Identifier: Apache-2.0
"""Moves a known number of bytes over each of several connections, and says how many the system calls took and gave.

  traffic.py serve PORT COUNT          serves COUNT connections, one after another
  traffic.py run HOST PORT SPEC...     makes one connection for each SPEC, one after another

SPEC is UP:DOWN:HOW[:CHUNK], bytes from client to server, from server to client, and
  sized   both know how much comes; the client closes first
  half    the client sends, then SHUT_WR; the server answers when it has read the end; the client reads to the end
  leave   the client reads CHUNK bytes of the answer and closes, with the rest unread
  odd     as sized, but the client reads by CHUNK bytes, peeking at each first
  file    as sized, both send by sendfile()
  splice  as sized, the server receives by splice()
  linger  as sized, the server's end comes first and the client reads only after that
The first 24 bytes that the client sends are the SPEC itself. Prints a line of JSON for each connection: client's port, sent, received.
"""
import json
import os
import socket
import sys
import tempfile
import time

HEADER = 24


class Connection:
    def __init__(self, sock, port):
        self.sock, self.port, self.sent, self.received = sock, port, 0, 0

    def send(self, count, chunk=65536):
        view = memoryview(bytes(chunk))
        while count:
            n = self.sock.send(view[:min(count, chunk)])
            self.sent += n
            count -= n

    def sendfile(self, count):
        with tempfile.TemporaryFile() as file:
            file.truncate(count)
            offset = 0
            while offset < count:
                n = os.sendfile(self.sock.fileno(), file.fileno(), offset, count - offset)
                self.sent += n
                offset += n

    def receive(self, count, chunk=65536, peek=False):
        """Reads `count` bytes, or to the end if that is None."""
        while count is None or count:
            size = chunk if count is None else min(count, chunk)
            if peek:
                self.sock.recv(size, socket.MSG_PEEK)
            n = len(self.sock.recv(size))
            if n == 0:
                assert count is None, 'the peer ended too early'
                return
            self.received += n
            if count is not None:
                count -= n

    def splice(self, count):
        reader, writer = os.pipe()
        while count:
            n = os.splice(self.sock.fileno(), writer, min(count, 65536))
            assert n, 'the peer ended too early'
            self.received += n
            count -= n
            left = n
            while left:
                left -= len(os.read(reader, left))
        os.close(reader)
        os.close(writer)

    def end(self):
        self.sock.close()
        print(json.dumps({'port': self.port, 'sent': self.sent, 'received': self.received}), flush=True)


def parse(spec):
    up, down, how, *chunk = spec.split(':')
    return int(up), int(down), how, int(chunk[0]) if chunk else 65536


def serve(port, count):
    listener = socket.create_server(('', port))
    for _ in range(count):
        sock, address = listener.accept()
        c = Connection(sock, address[1])
        header = b''
        while len(header) < HEADER:
            part = sock.recv(HEADER - len(header))
            header += part
            c.received += len(part)
        up, down, how, chunk = parse(header.decode().strip())
        send = c.sendfile if how == 'file' else c.send
        if how == 'half':
            c.receive(None)
            send(down)
        elif how == 'splice':
            c.splice(up - HEADER)
            send(down)
        else:
            c.receive(up - HEADER)
            try:
                send(down)
                if how != 'linger':
                    c.receive(None)
            except OSError:
                if how != 'leave':
                    raise
        c.end()


def run(host, port, specs):
    for spec in specs:
        up, down, how, chunk = parse(spec)
        sock = socket.create_connection((host, port))
        c = Connection(sock, sock.getsockname()[1])
        sock.sendall(spec.encode().ljust(HEADER))
        c.sent += HEADER
        (c.sendfile if how == 'file' else c.send)(up - HEADER)
        if how == 'half':
            sock.shutdown(socket.SHUT_WR)
            c.receive(None)
        elif how == 'leave':
            c.receive(chunk, chunk)
        elif how == 'linger':
            sock.shutdown(socket.SHUT_WR)
            time.sleep(1)
            c.receive(None, 1000)
        else:
            c.receive(down, chunk, peek=how == 'odd')
        c.end()


if sys.argv[1] == 'serve':
    serve(int(sys.argv[2]), int(sys.argv[3]))
else:
    run(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
