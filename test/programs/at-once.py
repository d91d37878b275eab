# SPDX-License-Identifier: Apache-2.0
"""Who connects and closes again, and who accepts and closes again: what the other side reads.

  at-once.py reader serve PORT COUNT   accepts, and says of each connection what it reads
  at-once.py closer run HOST PORT COUNT STEP   connects and closes, after 0, STEP, 2 * STEP ... ms
  at-once.py closer serve PORT COUNT STEP      accepts and closes, after 0, STEP, 2 * STEP ... ms
  at-once.py reader run HOST PORT COUNT        connects, and says of each connection what it reads
"""
import socket
import sys
import time


def end(sock, reads, pause):
    if reads:
        try:
            print(repr(sock.recv(1)), flush=True)
        except OSError as error:
            print(error.strerror, flush=True)
    else:
        time.sleep(pause)
    sock.close()


reads = sys.argv[1] == 'reader'
if sys.argv[2] == 'serve':
    count = int(sys.argv[4])
    step = 0 if reads else int(sys.argv[5]) / 1000
    listener = socket.create_server(('', int(sys.argv[3])))
    for i in range(count):
        end(listener.accept()[0], reads, i * step)
else:
    count = int(sys.argv[5])
    step = 0 if reads else int(sys.argv[6]) / 1000
    for i in range(count):
        end(socket.create_connection((sys.argv[3], int(sys.argv[4]))), reads, i * step)
