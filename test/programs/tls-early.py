# SPDX-License-Identifier: Apache-2.0
"""A TLS client with node a's certificate, whose request leaves in one segment with its own Finished, or so many ms later.

usage: tls-early.py ADDRESS PORT PKI_DIR REQUEST fin|stay DELAY_MS...
One connection for each delay; prints each answer, which must end with a newline or at the end of the connection.
"""
import socket
import ssl
import sys
import time

from tls_records import Client, client_context

address, port, pki, request, end = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5]
context = client_context(f"{pki}/a.crt", f"{pki}/a.key", f"{pki}/ca.crt")


def talk(delay):
    client = Client(context, address, port)
    raw = client.raw
    early = client.records_of(request.encode() + b"\n")
    if delay == 0:
        raw.sendall(client.finished + early)
    else:
        raw.sendall(client.finished)
        time.sleep(delay / 1000)
        raw.sendall(early)
    if end == "fin":
        raw.shutdown(socket.SHUT_WR)
    answer = b""
    while not answer.endswith(b"\n"):
        try:
            answer += client.tls.read()
        except ssl.SSLWantReadError:
            more = raw.recv(65536)
            if not more:
                break
            client.incoming.write(more)
    raw.close()
    return answer.decode()


for each in sys.argv[6:]:
    print(talk(int(each)), end="", flush=True)
