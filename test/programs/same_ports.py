# SPDX-License-Identifier: Apache-2.0
"""Many connections from few ports, so that each port is used again and again:

  same_ports.py server PORT            answers eight bytes with themselves; the connection of an odd number is closed here first
  same_ports.py client HOST PORT COUNT THREADS
      that many, each with its number in eight digits; those of even numbers are closed here first, so that their port is in TIME_WAIT here, those of
      odd ones at the server, where the next SYN meets it. Prints how many were answered, and from how many ports
"""
import errno
import socket
import sys
import threading
import time


def serve(connection):
    with connection:
        number = connection.recv(8, socket.MSG_WAITALL)
        connection.sendall(number)
        if int(number or b"0") % 2 == 0:
            connection.recv(1)


def server(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))
    listener.listen(128)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def connect(host, port):
    while True:
        try:
            return socket.create_connection((host, port))
        except OSError as error:
            # All ports are in TIME_WAIT, and were used within the last second (tcp_tw_reuse).
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            time.sleep(0.05)


def client(host, port, count, threads):
    numbers = iter(range(count))
    lock = threading.Lock()
    answered, ports, failures = [0], set(), []

    def run():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            text = b"%08d" % number
            try:
                with connect(host, port) as connection:
                    mine = connection.getsockname()[1]
                    connection.sendall(text)
                    answer = connection.recv(8, socket.MSG_WAITALL)
                    if number % 2:
                        connection.recv(1)
            except OSError as error:
                with lock:
                    failures.append("%d: %s" % (number, error))
                continue
            with lock:
                answered[0] += answer == text
                ports.add(mine)

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    print("\n".join(failures), file=sys.stderr)
    print(answered[0], "of", count, "were answered, from", len(ports), "ports")


if sys.argv[1] == "server":
    server(int(sys.argv[2]))
else:
    client(sys.argv[2], *map(int, sys.argv[3:]))
