# SPDX-License-Identifier: Apache-2.0
"""hog PORT COUNT SECONDS: keeps so many connections to this port of localhost, or as many as it gets, says nothing on them, and comes again four
times a second when it is turned out.

Prints how often it was."""
import socket
import sys
import time

many = int(sys.argv[2])
end = time.monotonic() + float(sys.argv[3])
kept = []
turned_out = 0
print('begins', flush=True)
while time.monotonic() < end:
    while len(kept) < many:
        try:
            one = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1)
        except OSError:
            break
        one.setblocking(False)
        kept.append(one)
    left = []
    for one in kept:
        try:
            over = one.recv(100) == b''
        except BlockingIOError:
            over = False
        except OSError:
            over = True
        if over:
            one.close()
            turned_out += 1
        else:
            left.append(one)
    kept = left
    time.sleep(0.25)
print('turned out', turned_out)
