# SPDX-License-Identifier: Apache-2.0
"""Server-sent events, each of which is there only when the one before has been seen.

  events.py serve PORT FOLDER COUNT    an HTTP server whose answer is chunked; an event follows when FOLDER has a file with the last one's number
  events.py read HOST PORT FOLDER      reads an answer, makes those files, and says which events came
"""
import os
import socket
import sys
import time

PATIENCE_SECONDS = 20


def serve(port, folder, count):
    listener = socket.create_server(('127.0.0.1', port))
    sock = listener.accept()[0]
    request = sock.makefile('rb')
    while request.readline().strip():
        pass
    sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n')
    for number in range(count):
        event = b'data: %d\n\n' % number
        sock.sendall(b'%x\r\n%s\r\n' % (len(event), event))
        until = time.monotonic() + PATIENCE_SECONDS
        while not os.path.exists(f'{folder}/{number}') and time.monotonic() < until:
            time.sleep(0.01)
        print(f'{number} was {"seen" if os.path.exists(f"{folder}/{number}") else "not seen"}')
    sock.sendall(b'0\r\n\r\n')


def read(host, port, folder):
    sock = socket.create_connection((host, port))
    sock.sendall(b'GET / HTTP/1.1\r\nHost: events\r\n\r\n')
    answer = sock.makefile('rb')
    for line in answer:
        if line.startswith(b'data: '):
            number = line.split()[1].decode()
            print(number)
            open(f'{folder}/{number}', 'w').close()
        if line == b'0\r\n':
            break


if sys.argv[1] == 'serve':
    serve(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
else:
    read(sys.argv[2], int(sys.argv[3]), sys.argv[4])
