# SPDX-License-Identifier: Apache-2.0
# Connections that stay open until the program is killed, one byte each way on each; "done" when all have had it:
#   kept_open.py server PORT COUNT
#   kept_open.py client HOST PORT COUNT
import socket
import sys
import time

role, *rest = sys.argv[1:]
if role == "server":
    port, count = map(int, rest)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))
    listener.listen(count)
    connections = [listener.accept()[0] for _ in range(count)]
else:
    host, port, count = rest[0], int(rest[1]), int(rest[2])
    connections = [socket.create_connection((host, port)) for _ in range(count)]
for connection in connections:
    if role == "client":
        connection.sendall(b"x")
    if connection.recv(1) != b"x":
        sys.exit("a connection has ended")
    if role == "server":
        connection.sendall(b"x")
print("done", flush=True)
time.sleep(3600)
