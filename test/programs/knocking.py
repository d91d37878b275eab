# SPDX-License-Identifier: Apache-2.0
"""knocking.py serve HOST PORT: answers each connection's first bytes with the same. knocking.py knock HOST PORT TEXT: eight threads that connect, send
TEXT, wait for as much and close, again and again, whatever becomes of it, until SIGTERM; then prints how many were answered."""

import signal
import socket
import sys
import threading

what, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
THREADS = 8
PATIENCE_S = 5
over = threading.Event()
answered = [0] * THREADS


def answer(connection):
    with connection:
        try:
            connection.sendall(connection.recv(1000))
            connection.recv(1)
        except OSError:
            pass


def knock(at):
    text = sys.argv[4].encode()
    while not over.is_set():
        try:
            with socket.create_connection((host, port), PATIENCE_S) as connection:
                connection.sendall(text)
                answered[at] += connection.recv(1000) == text
        except OSError:
            over.wait(0.01)


if what == "serve":
    listener = socket.create_server((host, port), backlog=100)
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

signal.signal(signal.SIGTERM, lambda *_: over.set())
threads = [threading.Thread(target=knock, args=(at,)) for at in range(THREADS)]
for thread in threads:
    thread.start()
while not over.wait(0.1):
    pass
for thread in threads:
    thread.join()
print(sum(answered))
