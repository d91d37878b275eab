# SPDX-License-Identifier: Apache-2.0
"""Goes on sending on a connection that sends no more, and says what it is told.

  sends-on.py serve PORT COUNT             serves COUNT connections, one after another
  sends-on.py reset HOST PORT SIZE         the peer resets it while a call of SIZE bytes waits for room
  sends-on.py shutdown HOST PORT CALL      it has shut the sending side itself; CALL is send, quiet (MSG_NOSIGNAL), write or sendfile
"""
import os
import signal
import socket
import sys
import tempfile
import time

HELLO = b'hello'
# Much more than fits into any buffer.
MOST = 64 << 20


def serve(port, count):
    listener = socket.create_server(('', port))
    for _ in range(count):
        sock = listener.accept()[0]
        how = sock.recv(len(HELLO) + 1, socket.MSG_WAITALL)[len(HELLO):]
        if how == b'r':
            # Until the other one waits for room; then what has not been read makes this close() a reset.
            time.sleep(1)
            sock.close()
        else:
            while sock.recv(65536):
                pass
            sock.close()


def connect(host, port, how):
    sock = socket.create_connection((host, port))
    sock.sendall(HELLO + how)
    return sock


def reset(host, port, size):
    sock = connect(host, port, b'r')
    sent = 0
    try:
        while sent < MOST:
            sent += sock.send(bytes(size))
        print('sent all of it')
    except ConnectionError:
        try:
            sock.send(bytes(size))
            print('told once')
        except ConnectionError:
            print('told, and told again')


def shutdown(host, port, call):
    signals = []
    signal.signal(signal.SIGPIPE, lambda number, frame: signals.append(number))
    sock = connect(host, port, b's')
    sock.shutdown(socket.SHUT_WR)
    with tempfile.TemporaryFile() as file:
        file.truncate(1000)
        for _ in range(2):
            try:
                if call == 'write':
                    os.write(sock.fileno(), bytes(1000))
                elif call == 'sendfile':
                    os.sendfile(sock.fileno(), file.fileno(), 0, 1000)
                else:
                    sock.send(bytes(1000), socket.MSG_NOSIGNAL if call == 'quiet' else 0)
                print('taken')
            except OSError as error:
                print(error.strerror)
    print(len(signals), 'signals, then', sock.recv(1))


if sys.argv[1] == 'serve':
    serve(int(sys.argv[2]), int(sys.argv[3]))
elif sys.argv[1] == 'reset':
    reset(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    shutdown(sys.argv[2], int(sys.argv[3]), sys.argv[4])
