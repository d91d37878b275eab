#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many connections that wait to be accepted.

  backlog.py server PORT COUNT SECONDS   accepts COUNT connections, one each SECONDS, and answers one line of each
  backlog.py client HOST PORT COUNT      makes COUNT connections at once, says a line on each, and counts those that it was answered on
"""
import socket
import sys
import time


def server(port, count, seconds):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))
    listener.listen(count)
    print("listening", flush=True)
    for _ in range(count):
        time.sleep(seconds)
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as lines:
            lines.write("answer to " + lines.readline())


def client(host, port, count):
    connections = []
    for number in range(count):
        connection = socket.create_connection((host, port))
        connection.sendall(b"question %d\n" % number)
        connections.append(connection)
    answered = 0
    for number, connection in enumerate(connections):
        try:
            with connection, connection.makefile("r") as lines:
                answered += lines.readline() == "answer to question %d\n" % number
        except OSError as error:
            print(number, error, file=sys.stderr)
    print(answered, "of", count, "were answered")


if sys.argv[1] == "server":
    server(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
else:
    client(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
