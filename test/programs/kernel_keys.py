# SPDX-License-Identifier: Apache-2.0
# Connections that say what keys the kernel has for them:
#   kernel_keys.py server PORT COUNT
#   kernel_keys.py client HOST PORT COUNT
# One byte goes each way on each, then for each a line "TX HEX" and a line "RX HEX" with struct tls12_crypto_info_aes_gcm_128
# (include/uapi/linux/tls.h), and "done". They stay open until the program is killed.
import socket
import struct
import sys
import time

SOL_TLS, TLS_TX, TLS_RX = 282, 1, 2
SIZE = 40  # version 2, cipher type 2, iv 8, key 16, salt 4, sequence 8

role, *rest = sys.argv[1:]
if role == "server":
    port, count = map(int, rest)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))
    listener.listen(count)
    connections = [listener.accept()[0] for _ in range(count)]
else:
    host, port, count = rest[0], int(rest[1]), int(rest[2])
    connections = [socket.create_connection((host, port)) for _ in range(count)]
for connection in connections:
    if role == "client":
        connection.sendall(b"x")
    if connection.recv(1) != b"x":
        sys.exit("the connection has ended")
    if role == "server":
        connection.sendall(b"x")
for connection in connections:
    for name, direction in (("TX", TLS_TX), ("RX", TLS_RX)):
        info = connection.getsockopt(SOL_TLS, direction, SIZE)
        if len(info) != SIZE or struct.unpack("=HH", info[:4])[0] != 0x0304:
            sys.exit(f"no TLS 1.3: {info.hex()}")
        print(name, info.hex(), flush=True)
print("done", flush=True)
time.sleep(3600)
