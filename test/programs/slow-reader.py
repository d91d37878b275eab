# SPDX-License-Identifier: Apache-2.0
"""slow-reader.py HOST PORT FILE TIMES: gets a file by HTTP/1.0, slowly and with a small receive buffer, and says for each time whether it came whole."""
import socket
import sys
import time

host, port, path, times = sys.argv[1:]
with open(path, 'rb') as file:
    wanted = file.read()
for _ in range(int(times)):
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20000)
        connection.connect((host, int(port)))
        connection.sendall(b'GET /served HTTP/1.0\r\n\r\n')
        time.sleep(0.5)
        parts = []
        while part := connection.recv(30000):
            parts.append(part)
            time.sleep(0.004)
    body = b''.join(parts).partition(b'\r\n\r\n')[2]
    print('whole' if body == wanted else f'{len(body)} of {len(wanted)}', flush=True)
