# SPDX-License-Identifier: Apache-2.0
"""Programs that believe select(): who is told "readable" takes something, and never hears EAGAIN.

believing.py serve HOST PORT N: answers the first bytes of N connections, all at once, in one loop that does not block.
believing.py greet HOST PORT N: sends 6 bytes to N connections and waits for 6.
believing.py ask HOST PORT N: N connections one after another: sends 6 bytes and reads as many, without blocking.
believing.py listen HOST PORT N: the same, but reads before it sends.
believing.py silent HOST PORT N: N connections that say nothing for a second, then as `ask`.
believing.py hasty HOST PORT N: serves like `serve`, but reads as soon as it has accepted, before it asks select().
Each prints how many connections were right, and how often it was told EAGAIN behind "readable"."""

import select
import socket
import sys
import time

MESSAGE = b"6bytes"
what, host, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
misled = right = 0


def take(connection):
    """What is there, of a connection that is said to be readable."""
    global misled
    try:
        return connection.recv(100)
    except BlockingIOError:
        misled += 1
        return None


def await_message(connection):
    connection.setblocking(False)
    got = b""
    while len(got) < len(MESSAGE):
        select.select([connection], [], [])
        some = take(connection)
        if some == b"":
            raise EOFError(f"{len(got)} bytes")
        got += some or b""
    return got == MESSAGE


def serve():
    """All connections in one loop, each until its peer has closed it."""
    global right
    listener = socket.create_server((host, port), backlog=100)
    watched, ended = [listener], 0
    while ended < count:
        for ready in select.select(watched, [], [])[0]:
            if ready is listener:
                connection = listener.accept()[0]
                connection.setblocking(False)
                watched.append(connection)
                if what == "hasty":
                    try:
                        right += answer(connection, connection.recv(100))
                    except BlockingIOError:
                        pass
                elif what == "greet":
                    connection.send(MESSAGE)
                continue
            some = take(ready)
            if some:
                right += answer(ready, some)
            elif some == b"":
                watched.remove(ready)
                ready.close()
                ended += 1


def answer(connection, some):
    if what != "greet":
        connection.send(some)
    return some == MESSAGE


def connect():
    global right
    for _ in range(count):
        connection = socket.create_connection((host, port))
        if what == "silent":
            time.sleep(1)
        if what != "listen":
            connection.sendall(MESSAGE)
        right += await_message(connection)
        if what == "listen":
            connection.sendall(MESSAGE)
        connection.close()


if what in ("serve", "greet", "hasty"):
    serve()
else:
    connect()
print(f"{right} right, {misled} misled")
