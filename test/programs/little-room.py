# SPDX-License-Identifier: Apache-2.0
"""A server whose sockets take little that is not sent yet, and its client.

little-room.py serve PORT FILE LOWAT SNDBUF   TCP_NOTSENT_LOWAT and SO_SNDBUF of its listener (0: as they are); sends the file, in the way it is asked for
little-room.py read HOST PORT FILE REQUEST    asks, reads to the end, and says whether the file came, and whether it stood still again and again

TCP sends what it has kept back after 200 ms at the latest. So who waits for that with each record is seen by its pauses.
"""
import os
import select
import socket
import sys
import time

NOTSENT_LOWAT = 25
PAUSE_SECONDS = 0.15
PATIENCE_SECONDS = 20


def sendfile(connection, file, size):
    sent = 0
    while sent < size:
        sent += os.sendfile(connection.fileno(), file.fileno(), sent, size - sent)


def send(connection, file, size):
    connection.sendall(file.read())


def more(connection, file, size):
    """As a proxy that does not know the end yet: the flag on all but the last call."""
    while size > 0:
        piece = file.read(10000)
        size -= len(piece)
        connection.sendall(piece, socket.MSG_MORE if size > 0 else 0)


def without_blocking(step, size, connection):
    """`step` sends some bytes from an offset on; whenever there is no room, an edge is waited for."""
    connection.setblocking(False)
    edges = select.epoll()
    edges.register(connection, select.EPOLLOUT | select.EPOLLET)
    sent = 0
    while sent < size:
        try:
            sent += step(sent)
        except BlockingIOError:
            if not edges.poll(PATIENCE_SECONDS):
                sys.exit('no room for %d s behind %d bytes' % (PATIENCE_SECONDS, sent))
    connection.setblocking(True)


def sendfile_edges(connection, file, size):
    without_blocking(lambda at: os.sendfile(connection.fileno(), file.fileno(), at, size - at), size, connection)


def send_edges(connection, file, size):
    content = file.read()
    without_blocking(lambda at: connection.send(content[at:at + 100_000]), size, connection)


def later(connection, file, size):
    """The mark is set on a connection that has moved bytes."""
    connection.setsockopt(socket.IPPROTO_TCP, NOTSENT_LOWAT, 16384)
    sendfile(connection, file, size)


def close(connection, file, size):
    """Its client has only begun to read then."""
    send_edges(connection, file, size)
    os._exit(0)


WAYS = {each.__name__: each for each in (sendfile, send, more, sendfile_edges, send_edges, later, close)}


def serve(port, path, lowat, sndbuf):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if int(lowat):
        listener.setsockopt(socket.IPPROTO_TCP, NOTSENT_LOWAT, int(lowat))
    if int(sndbuf):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, int(sndbuf))
    listener.bind(('0.0.0.0', int(port)))
    listener.listen(8)
    while True:
        connection, _ = listener.accept()
        if os.fork():
            connection.close()
            continue
        with open(path, 'rb') as file:
            WAYS[connection.recv(100).decode().strip()](connection, file, os.path.getsize(path))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
        os._exit(0)


def read(host, port, path, request):
    with open(path, 'rb') as file:
        wanted = file.read()
    connection = socket.socket()
    if request == 'close':
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
    connection.settimeout(PATIENCE_SECONDS)
    connection.connect((host, int(port)))
    connection.sendall(request.encode())
    if request == 'close':
        time.sleep(0.5)
    got, pauses = b'', 0
    while True:
        before = time.monotonic()
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            sys.exit('nothing for %d s behind %d bytes' % (PATIENCE_SECONDS, len(got)))
        pauses += time.monotonic() - before > PAUSE_SECONDS
        if not piece:
            break
        got += piece
    if not got.endswith(wanted):
        sys.exit('%d bytes' % len(got))
    # A record of 16 KiB at a time would be one for each; a busy machine makes a few.
    if pauses > len(wanted) / 16384 / 4:
        sys.exit('%d pauses' % pauses)
    print('whole')


{'serve': serve, 'read': read}[sys.argv[1]](*sys.argv[2:])
