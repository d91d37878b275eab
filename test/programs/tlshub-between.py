#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Somebody between two nodes' TLSHub modules, or beside them.

usage: tlshub-between.py relay PORT ONE OTHER HOW     Each datagram from ONE goes on to OTHER (port 9467 of both), and back. HOW, with commas:
         plain; twice; swap (in pairs, the later one first); drop=N (each Nth is lost). Everything is kept, and
         sent again at SIGUSR1, with a line that says how much that is
       tlshub-between.py flood COUNT DESTINATION PUBLIC-KEY      That many first messages, each from another IPv6 address, and each with what
         shows that the sender knows the key (mac1); the rest of them is random
"""
import hashlib
import hmac
import ipaddress
import os
import select
import signal
import socket
import struct
import sys

PORT = 9467


def relay(port, one, other, how):
    how = dict(word.partition('=')[::2] for word in how.split(','))
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind(('0.0.0.0', int(port)))
    kept, held, count = [], [], 0

    def replay(*_):
        for target, data in list(kept):
            link.sendto(data, target)
        print(len(kept), flush=True)

    signal.signal(signal.SIGUSR1, replay)
    print('ready', flush=True)
    while True:
        ready = select.select([link], [], [], 0.02 if held else None)[0]
        if link in ready:
            data, (source, _) = link.recvfrom(2048)
            target = (other if source == one else one, PORT)
            kept.append((target, data))
            count += 1
            if 'drop' in how and count % int(how['drop']) == 0:
                continue
            held.append((target, data))
            if 'swap' in how and len(held) < 2:
                continue
        for target, data in reversed(held):
            for _ in range(1 + ('twice' in how)):
                link.sendto(data, target)
        held.clear()


def checksum(data):
    total = sum(struct.unpack(f'>{(len(data) + 1) // 2}H', data + b'\0' * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff or 0xffff


def flood(count, destination, public_key):
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    key = hashlib.blake2s(b'tlshub mac1' + bytes.fromhex(public_key)).digest()
    target = ipaddress.ip_address(destination).packed
    for number in range(int(count)):
        message = bytes([1, 1, 0, 0]) + os.urandom(148 - 4 - 32)
        message += hmac.new(key, message, hashlib.blake2s).digest()[:16] + bytes(16)
        source = target[:8] + struct.pack('>Q', 0xf100d000000000 + number)
        length = 8 + len(message)
        udp = struct.pack('>HHHH', 40000, PORT, length, 0) + message
        sum_ = checksum(source + target + struct.pack('>II', length, 17) + udp)
        udp = udp[:6] + struct.pack('>H', sum_) + udp[8:]
        raw.sendto(struct.pack('>IHBB', 0x60000000, length, 17, 64) + source + target + udp, (destination, 0))
    print(count)


if __name__ == '__main__':
    if len(sys.argv) == 6 and sys.argv[1] == 'relay':
        relay(*sys.argv[2:])
    elif len(sys.argv) == 5 and sys.argv[1] == 'flood':
        flood(*sys.argv[2:])
    else:
        sys.exit(__doc__)
