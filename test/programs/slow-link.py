# SPDX-License-Identifier: Apache-2.0
"""What goes over a link that takes seconds for it.

slow-link.py serve PORT BYTES    sends so many to each client that has said something, and closes
slow-link.py read HOST PORT BYTES events|timeout
    reads to the end, level-triggered or blocking with a receive timeout of 0.3 s; prints JSON: whether it was right, how many calls there were and
    how many of them found nothing, and ms to the first byte and to the end
"""
import json
import random
import select
import socket
import struct
import sys
import time


def content(size):
    return random.Random(3).randbytes(int(size))


def serve(port, size):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('0.0.0.0', int(port)))
    listener.listen(8)
    while True:
        connection, _ = listener.accept()
        connection.recv(1)
        connection.sendall(content(size))
        connection.close()


def read(host, port, size, how):
    connection = socket.create_connection((host, int(port)))
    connection.settimeout(None)
    wait = None
    if how == 'events':
        events = select.epoll()
        events.register(connection, select.EPOLLIN)
        wait = events.poll
        connection.sendall(b'.')
        connection.setblocking(False)
    else:
        connection.sendall(b'.')
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, 300_000))
    begun, got, calls, nothing, first = time.monotonic(), b'', 0, 0, None
    while True:
        if wait:
            wait()
        calls += 1
        try:
            piece = connection.recv(65536)
        except BlockingIOError:
            nothing += 1
            continue
        if not piece:
            break
        first = first or time.monotonic() - begun
        got += piece
    end = time.monotonic() - begun
    print(json.dumps({'right': got == content(size), 'calls': calls, 'nothing': nothing,
                      'firstMs': round(first * 1000), 'endMs': round(end * 1000)}))


{'serve': serve, 'read': read}[sys.argv[1]](*sys.argv[2:])
