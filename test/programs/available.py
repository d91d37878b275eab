# SPDX-License-Identifier: Apache-2.0
"""available.py serve HOST PORT: sends 60,000 bytes and waits. available.py read HOST PORT: reads as long as FIONREAD says that there is more
(as .NET's DataAvailable and Java's available() do), once all has come, and prints how many bytes that were."""

import array
import fcntl
import socket
import sys
import termios
import time

BYTES = 60_000
what, host, port = sys.argv[1:4]
family = socket.AF_INET6 if ":" in host else socket.AF_INET


def available(connection):
    said = array.array("i", [0])
    fcntl.ioctl(connection, termios.FIONREAD, said)
    return said[0]


def bytes_received(connection):
    return int.from_bytes(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)[128:136], sys.byteorder)


if what == "serve":
    listener = socket.create_server((host, int(port)), family=family)
    connection = listener.accept()[0]
    for at in range(3):
        connection.sendall(bytes(BYTES // 3))
    connection.recv(1)
else:
    connection = socket.create_connection((host, int(port)))
    read = len(connection.recv(1000))
    while bytes_received(connection) < BYTES:
        time.sleep(0.05)
    time.sleep(0.05)
    while more := available(connection):
        read += len(connection.recv(min(more, 1000)))
    print(read)
