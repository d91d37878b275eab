"""A TLS client with node a's certificate, whose request leaves in one segment with its own Finished, or so many ms later.

usage: tls-early.py ADDRESS PORT PKI_DIR REQUEST fin|stay DELAY_MS...
One connection for each delay; prints each answer, which must end with a newline or at the end of the connection.
"""
import socket
import ssl
import sys
import time

address, port, pki, request, end = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_verify_locations(f"{pki}/ca.crt")
context.load_cert_chain(f"{pki}/a.crt", f"{pki}/a.key")


def talk(delay):
    raw = socket.create_connection((address, port))
    raw.settimeout(15)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="b")
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            raw.sendall(outgoing.read())
            incoming.write(raw.recv(65536))
    finished = outgoing.read()
    tls.write(request.encode() + b"\n")
    early = outgoing.read()
    if delay == 0:
        raw.sendall(finished + early)
    else:
        raw.sendall(finished)
        time.sleep(delay / 1000)
        raw.sendall(early)
    if end == "fin":
        raw.shutdown(socket.SHUT_WR)
    answer = b""
    while not answer.endswith(b"\n"):
        try:
            answer += tls.read()
        except ssl.SSLWantReadError:
            more = raw.recv(65536)
            if not more:
                break
            incoming.write(more)
    raw.close()
    return answer.decode()


for each in sys.argv[6:]:
    print(talk(int(each)), end="", flush=True)
