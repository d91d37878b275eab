# SPDX-License-Identifier: Apache-2.0
"""Who connects and closes again, and who accepts and closes again: what the other side reads, behind the client's port.

  at-once.py reader serve PORT COUNT      accepts, and says of each connection what it reads
  at-once.py waiter serve PORT COUNT      the same, but waits in epoll and does not block in a call
  at-once.py reader late PORT COUNT       the same as the first, but accepts nothing before SIGUSR1
  at-once.py closer serve PORT COUNT STEP accepts and closes, after 0, STEP, 2 * STEP ... ms
  at-once.py reader run HOST PORT COUNT        connects, and says of each connection what it reads
  at-once.py closer run HOST PORT COUNT STEP   connects and closes, after 0, STEP, 2 * STEP ... ms
  at-once.py poller run HOST PORT COUNT STEP   the same, with the socket in an epoll set until it is closed
  at-once.py leaver run HOST PORT COUNT STEP   connects, says a TLS hello and ends its side at once; and resets after 0, STEP, 2 * STEP ... ms
  at-once.py speaker run HOST PORT HEX...      connects, sends these bytes and closes, one connection for each HEX
"""
import select
import signal
import socket
import ssl
import struct
import sys
import time

who, how = sys.argv[1:3]
first = 5 if how == 'run' else 4
arguments = sys.argv[first:]
# What is no agent's comes from these ports: see test/vm/harness/wire.ts.
RAW_PORT = 7900


def connect(i):
    sock = socket.socket()
    if who in ('speaker', 'leaver'):
        # An earlier run of this program may have left them in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(('', RAW_PORT + i))
    sock.connect((sys.argv[3], int(sys.argv[4])))
    return sock


def client_hello():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    said = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), said).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return said.read()


def read(sock):
    if who == 'waiter':
        sock.setblocking(False)
        polled.register(sock, select.EPOLLIN)
    while True:
        try:
            if who == 'waiter':
                polled.poll()
            return repr(sock.recv(1))
        except BlockingIOError:
            pass
        except OSError as error:
            return error.strerror


def end(sock, i, port):
    if who in ('reader', 'waiter'):
        print(port, read(sock), flush=True)
    elif who == 'speaker':
        sock.sendall(bytes.fromhex(arguments[i]))
    else:
        if who == 'poller':
            polled.register(sock, select.EPOLLIN)
        if who == 'leaver':
            sock.sendall(client_hello())
            sock.shutdown(socket.SHUT_WR)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        time.sleep(i * int(arguments[1]) / 1000)
    sock.close()


count = len(arguments) if who == 'speaker' else int(arguments[0])
polled = select.epoll()
if how == 'run':
    for i in range(count):
        sock = connect(i)
        end(sock, i, sock.getsockname()[1])
else:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    listener = socket.create_server(('', int(sys.argv[3])))
    if how == 'late':
        signal.sigwait([signal.SIGUSR1])
    for i in range(count):
        sock, peer = listener.accept()
        end(sock, i, peer[1])
