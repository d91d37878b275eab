# SPDX-License-Identifier: Apache-2.0
"""Calls that event loops make, each in its way of reading to the end.

calls.py serve PORT           says 60,000 bytes in three pieces to each client that has said how it reads
calls.py read HOST PORT HOW   prints whether what it read was right
"""
import fcntl
import os
import random
import select
import signal
import socket
import struct
import sys
import time

PORTION = 20_000
CONTENT = random.Random(3).randbytes(3 * PORTION)
WORD = 8
PATIENCE_SECONDS = 20
PATIENCE_MS = PATIENCE_SECONDS * 1000


def until_taken(connection):
    """Its client has all of it: nothing more comes, and no end either, before that."""
    if connection.recv(1) != b'.':
        sys.exit('the client has ended before it had all')


def serve_pieces(connection):
    for at in range(0, len(CONTENT), PORTION):
        connection.sendall(CONTENT[at:at + PORTION])
        time.sleep(0.05)
    until_taken(connection)


def serve_rdhup(connection):
    until_taken(connection)
    connection.shutdown(socket.SHUT_WR)
    until_taken(connection)


def serve_linger(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 20))
    connection.sendall(CONTENT)


def taken(connection, content):
    connection.setblocking(True)
    connection.sendall(b'.')
    return content == CONTENT


def edges(connection, flags):
    connection.setblocking(False)
    events = select.epoll()
    events.register(connection, select.EPOLLIN | flags)
    return events


def wait(events):
    if not events.poll(PATIENCE_SECONDS):
        sys.exit('no event')


def read_rdhup(connection):
    """Asks for the end of the other side's sending alone."""
    events = select.poll()
    events.register(connection, select.POLLRDHUP)
    if events.poll(0):
        sys.exit('an end before there was one')
    connection.sendall(b'.')
    ended = events.poll(PATIENCE_MS)
    connection.sendall(b'.')
    return bool(ended and ended[0][1] & select.POLLRDHUP)


def read_peek(connection):
    """Twice the same, then for good."""
    content = b''
    while len(content) < len(CONTENT):
        first = connection.recv(50_000, socket.MSG_PEEK)
        second = connection.recv(50_000, socket.MSG_PEEK)
        if not second.startswith(first):
            sys.exit('peeked at something else the second time')
        piece = connection.recv(len(first))
        if piece != first:
            sys.exit('read something else than it had peeked at')
        content += piece
    return taken(connection, content)


def read_waitall(connection):
    return taken(connection, connection.recv(len(CONTENT), socket.MSG_WAITALL))


def read_linger(connection):
    """Whose server closes with SO_LINGER while little has been read."""
    time.sleep(0.5)
    content = b''
    while piece := connection.recv(9999):
        content += piece
    return content == CONTENT


def read_sigio(connection):
    """A signal for what comes, and none for nothing."""
    signals = 0

    def count(*_):
        nonlocal signals
        signals += 1

    signal.signal(signal.SIGIO, count)
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
    content, seen, until = b'', -1, time.monotonic() + PATIENCE_SECONDS
    while len(content) < len(CONTENT):
        if time.monotonic() > until:
            sys.exit('no signal behind %d bytes' % len(content))
        if signals == seen:
            time.sleep(0.01)
            continue
        seen = signals
        try:
            while True:
                content += connection.recv(5000)
        except BlockingIOError:
            pass
    return taken(connection, content)


def read_lowat(connection):
    """Is not told of less than nearly all."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 55_000)
    events = select.poll()
    events.register(connection, select.POLLIN)
    if not events.poll(PATIENCE_MS):
        sys.exit('no event')
    content = connection.recv(55_000, socket.MSG_WAITALL)
    return taken(connection, content + connection.recv(len(CONTENT) - len(content), socket.MSG_WAITALL))


def read_oneshot(connection):
    """One read an event, then asks to be told again."""
    flags = select.EPOLLONESHOT
    events, content = edges(connection, flags), b''
    while len(content) < len(CONTENT):
        wait(events)
        content += connection.recv(3000)
        events.modify(connection, select.EPOLLIN | flags)
    return taken(connection, content)


def read_rearmed(connection):
    """The same with edges."""
    flags = select.EPOLLET
    events, content = edges(connection, flags), b''
    while len(content) < len(CONTENT):
        wait(events)
        content += connection.recv(3000)
        events.modify(connection, select.EPOLLIN | flags)
    return taken(connection, content)


def read_edges(connection):
    """Small reads until there is nothing more, then the next edge."""
    events, content = edges(connection, select.EPOLLET), b''
    while len(content) < len(CONTENT):
        wait(events)
        try:
            while True:
                content += connection.recv(700)
        except BlockingIOError:
            pass
    return taken(connection, content)


SERVED = {'rdhup': serve_rdhup, 'linger': serve_linger}


def serve(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('0.0.0.0', int(port)))
    listener.listen(8)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            connection.settimeout(3 * PATIENCE_SECONDS)
            SERVED.get(connection.recv(WORD, socket.MSG_WAITALL).decode().strip(), serve_pieces)(connection)
            connection.close()
            os._exit(0)
        connection.close()


def read(host, port, how):
    connection = socket.create_connection((host, int(port)))
    connection.settimeout(None)
    connection.sendall(how.ljust(WORD).encode())
    print('right' if globals()['read_' + how](connection) else 'wrong')


{'serve': serve, 'read': read}[sys.argv[1]](*sys.argv[2:])
