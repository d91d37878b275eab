# SPDX-License-Identifier: Apache-2.0
"""A TLS client with a certificate of no CA: its request leaves in one segment with its own Finished, then a reset.

usage: tls-attacker.py ADDRESS FIRST_PORT COUNT REQUEST
"""
import socket
import struct
import sys

from tls_records import Client, client_context

address, port, count, request = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
context = client_context("/tmp/evil.crt", "/tmp/evil.key")
for i in range(count):
    # A client of TLS 1.3 has finished when it has sent its certificate: what the server thinks of it, it does not know yet. A
    # request in a second segment might come after the server's refusal.
    client = Client(context, address, port + i)
    client.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.raw.sendall(client.finished + client.records_of(request.encode() + b"\n"))
    print("sent", flush=True)
    client.raw.close()
