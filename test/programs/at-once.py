# SPDX-License-Identifier: Apache-2.0
"""Who connects and closes again, and who accepts and closes again: what the other side reads.

  at-once.py reader serve PORT COUNT      accepts, and says of each connection what it reads
  at-once.py reader late PORT COUNT       the same, but accepts nothing before SIGUSR1
  at-once.py closer serve PORT COUNT STEP accepts and closes, after 0, STEP, 2 * STEP ... ms
  at-once.py reader run HOST PORT COUNT        connects, and says of each connection what it reads
  at-once.py closer run HOST PORT COUNT STEP   connects and closes, after 0, STEP, 2 * STEP ... ms
  at-once.py poller run HOST PORT COUNT STEP   the same, with the socket in an epoll set until it is closed
  at-once.py speaker run HOST PORT HEX...      connects, sends these bytes and closes, one connection for each HEX, from a port of its own
"""
import select
import signal
import socket
import sys
import time

who, how = sys.argv[1:3]
first = 5 if how == 'run' else 4
arguments = sys.argv[first:]


def end(sock, i):
    if who == 'reader':
        try:
            print(repr(sock.recv(1)), flush=True)
        except OSError as error:
            print(error.strerror, flush=True)
    elif who == 'speaker':
        sock.sendall(bytes.fromhex(arguments[i]))
    else:
        if who == 'poller':
            polled.register(sock, select.EPOLLIN)
        time.sleep(i * int(arguments[1]) / 1000)
    sock.close()


# test/vm/harness/wire.ts: what comes from these may be anything.
RAW_PORT = 7960

count = len(arguments) if who == 'speaker' else int(arguments[0])
polled = select.epoll()
if how == 'run':
    for i in range(count):
        source = ('', RAW_PORT + i) if who == 'speaker' else None
        end(socket.create_connection((sys.argv[3], int(sys.argv[4])), source_address=source), i)
else:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    listener = socket.create_server(('', int(sys.argv[3])))
    if how == 'late':
        signal.sigwait([signal.SIGUSR1])
    for i in range(count):
        end(listener.accept()[0], i)
