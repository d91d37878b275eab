# SPDX-License-Identifier: Apache-2.0
"""TLS 1.3 clients that choose which of their records leave together: what a TLS library decides for itself otherwise."""
import socket
import ssl


def client_context(certificate, key, ca=None):
    """A client of TLS 1.3 that shows this certificate; without a CA it believes any server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if ca is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(ca)
    context.load_cert_chain(certificate, key)
    return context


class Client:
    """A connection whose handshake is done but for `finished`: the client's last flight, which has not been sent."""

    def __init__(self, context, address, port):
        self.raw = socket.create_connection((address, port))
        self.raw.settimeout(15)
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="b")
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.raw.sendall(self.outgoing.read())
                self.incoming.write(self.raw.recv(65536))
        self.finished = self.outgoing.read()

    def records_of(self, data):
        """The records of this application data, for the caller to send."""
        self.tls.write(data)
        return self.outgoing.read()
