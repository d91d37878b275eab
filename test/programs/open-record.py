# SPDX-License-Identifier: Apache-2.0
"""Sends with MSG_MORE, and sends no more before its peer has said that it has what was sent.

  open-record.py serve PORT            serves connections, each as its client wants it
  open-record.py read HOST PORT HOW    says what it has read. HOW:
      steps      bytes with MSG_MORE, and at last one without
      close      a byte with MSG_MORE, then close()
      splice     a byte by splice() with SPLICE_F_MORE, then close()
      cork       a byte on a socket with TCP_CORK, then close()
      fork       bytes with MSG_MORE, by the server and a child of it in turn
      threads    the same, by two threads
      crowd      bytes by several threads at the same time, some with MSG_MORE and some without
      stream     pieces of all sizes with MSG_MORE and pauses between them
      slow       much more than the buffers take with MSG_MORE, in one call, to a reader that is slow
      waits      the same in pieces, by a server that does not block and waits for POLLOUT
"""
import contextlib
import hashlib
import os
import random
import select
import socket
import sys
import threading
import time

MORE = socket.MSG_MORE
SPLICE_F_MORE = 4
THREADS = 4
ROUNDS = 20
BYTES = 400_000
# A send buffer.
SMALL = 20_000
# So long that a record is closed several times meanwhile.
STREAM_SECONDS = 3
# A reader that gives up: for a test that fails.
PATIENCE_SECONDS = 20


def content():
    return random.Random(1).randbytes(BYTES)


def send(sock, data, flags=0):
    sock.send(data, flags)
    # The peer has it, or has gone.
    sock.recv(1)


def by_splice(sock, data):
    source, sink = os.pipe()
    os.write(sink, data)
    os.splice(source, sock.fileno(), len(data), flags=SPLICE_F_MORE)
    sock.recv(1)


def by_child(sock, data):
    child = os.fork()
    if not child:
        send(sock, data, MORE)
        os._exit(0)
    os.waitpid(child, 0)


def by_thread(sock, data):
    thread = threading.Thread(target=send, args=(sock, data, MORE))
    thread.start()
    thread.join()


def in_turn(sock, other):
    send(sock, b'a', MORE)
    other(sock, b'b')
    send(sock, b'c', MORE)


def crowd(sock):
    barrier = threading.Barrier(THREADS + 1)

    def one(dice):
        for _ in range(ROUNDS):
            barrier.wait()
            sock.send(b'.', MORE if dice.random() < 0.7 else 0)
            barrier.wait()

    for number in range(THREADS):
        threading.Thread(target=one, args=(random.Random(number),), daemon=True).start()
    for _ in range(ROUNDS):
        barrier.wait()
        barrier.wait()
        # The peer has that of all, or has gone.
        sock.recv(1)


def stream(sock):
    data, dice = content(), random.Random(2)
    pause = STREAM_SECONDS / (BYTES / 2000)
    at = 0
    while at < BYTES:
        piece = data[at:at + dice.randrange(1, 4000)]
        sock.sendall(piece, MORE)
        at += len(piece)
        time.sleep(dice.random() * 2 * pause)
    sock.recv(1)


def in_one_call(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
    sock.sendall(content(), MORE)
    sock.recv(1)


def without_blocking(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
    sock.setblocking(False)
    data, at = content(), 0
    room = select.poll()
    room.register(sock, select.POLLOUT)
    while at < BYTES:
        try:
            at += sock.send(data[at:at + 7000], MORE)
        except BlockingIOError:
            room.poll()
    sock.setblocking(True)
    sock.recv(1)


def serve_one(sock):
    how = sock.recv(10).decode()
    if how == 'steps':
        send(sock, b'a', MORE)
        send(sock, b'b', MORE)
        send(sock, b'c')
    elif how == 'close':
        send(sock, b'a', MORE)
    elif how == 'splice':
        by_splice(sock, b'a')
    elif how == 'cork':
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        send(sock, b'a')
    elif how == 'fork':
        in_turn(sock, by_child)
    elif how == 'threads':
        in_turn(sock, by_thread)
    elif how == 'crowd':
        crowd(sock)
    elif how == 'stream':
        stream(sock)
    elif how == 'slow':
        in_one_call(sock)
    else:
        without_blocking(sock)


def serve_to_the_end(sock):
    with sock, contextlib.suppress(ConnectionError):
        serve_one(sock)


def serve(port):
    listener = socket.create_server(('', port))
    while True:
        threading.Thread(target=serve_to_the_end, args=(listener.accept()[0],)).start()


def read_rounds(sock):
    for number in range(ROUNDS):
        got = 0
        while got < THREADS:
            try:
                got += len(sock.recv(THREADS - got))
            except TimeoutError:
                print(f'{got} of {THREADS} in round {number}', end=', ')
                return
        sock.send(b'.')
    print('all of it', end=', ')


def read(host, port, how):
    sock = socket.socket()
    slow = how in ('slow', 'waits')
    if slow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
    sock.connect((host, port))
    sock.settimeout(PATIENCE_SECONDS)
    sock.sendall(how.encode())
    if slow or how == 'stream':
        got = b''
        while len(got) < BYTES:
            piece = sock.recv(5000)
            if not piece:
                break
            got += piece
            if slow:
                time.sleep(0.02)
        sock.send(b'.')
        right = hashlib.sha256(got).digest() == hashlib.sha256(content()).digest()
        print('all of it' if right else 'something else', end=', ')
    if how == 'crowd':
        read_rounds(sock)
    while True:
        try:
            byte = sock.recv(1)
        except TimeoutError:
            print('then nothing')
            return
        if not byte:
            print('end of file')
            return
        print(byte.decode(), end=', ')
        sock.send(b'.')


if sys.argv[1] == 'serve':
    serve(int(sys.argv[2]))
else:
    read(sys.argv[2], int(sys.argv[3]), sys.argv[4])
