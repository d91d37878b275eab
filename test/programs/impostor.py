#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Somebody on the wire between two nodes who has seen a connection with keys by name, and makes one of his own in its client's name.

usage: impostor.py INTERFACE SOURCE PORT DESTINATION PORT ISN EPOCH NUMBER PAYLOAD

INTERFACE is the bridge's port of the destination's node; the Ethernet addresses of destination and source are lines of standard input. EPOCH "named": whatever the SYN-ACK names. PAYLOAD is hexadecimal. The segments that the source
itself answers with (resets) are somebody else's to keep away. Says what the SYN-ACK had, and all that came behind it, a line each.
"""
import ipaddress
import socket
import struct
import sys
import time

interface, source, sport, destination, dport, isn, epoch, number, payload = sys.argv[1:]
sport, dport, isn, number = int(sport), int(dport), int(isn), int(number)
payload = bytes.fromhex(payload)
SYN, RST, PSH, ACK, FIN = 2, 4, 8, 16, 1


def check(address, port, number):
    """channel_check() of bpf/channel.h."""
    words = [0, 0, 0xFFFF, int(ipaddress.ip_address(address)), port, number]
    h = 0x54C2
    for word in words:
        h = ((((h << 5) | (h >> 27)) & 0xFFFFFFFF) ^ word) * 0x9E3779B1 & 0xFFFFFFFF
        h ^= h >> 15
    h = h * 0x2C1B3C6D & 0xFFFFFFFF
    return h ^ (h >> 12)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
raw.bind((interface, 0))
raw.settimeout(0.2)
to, sender = bytes.fromhex(sys.stdin.readline().strip()), bytes.fromhex(sys.stdin.readline().strip())


def send(flags, seq, ack, options=b"", data=b""):
    options += b"\1" * (-len(options) % 4)
    header = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, (20 + len(options)) // 4 << 4, flags, 64000, 0, 0)
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    pseudo = ends + struct.pack(">BBH", 0, 6, len(header) + len(options) + len(data))
    value = checksum(pseudo + header + options + data)
    tcp = header[:16] + struct.pack(">H", value) + header[18:] + options + data
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6, 0) + ends
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    raw.send(to + sender + b"\x08\x00" + ip + tcp)


def receive(until):
    while time.monotonic() < until:
        try:
            frame = raw.recv(65535)
        except TimeoutError:
            continue
        if frame[12:14] != b"\x08\x00" or frame[23] != 6 or frame[26:30] != socket.inet_aton(destination):
            continue
        tcp = frame[14 + (frame[14] & 15) * 4 : 14 + int.from_bytes(frame[16:18], "big")]
        if tcp[:4] == struct.pack(">HH", dport, sport):
            yield tcp


def marker(tcp):
    options = tcp[20 : (tcp[12] >> 4) * 4]
    at = options.find(b"TL")
    return options[at + 2 : at - 2 + options[at - 1]] if at >= 2 else b""


def option(body):
    return bytes([254, 4 + len(body)]) + b"TL" + body


syn = option(struct.pack(">BII", 0x25, check(source, sport, isn), check(destination, dport, 0)))
send(SYN, isn, 0, b"\2\4\5\xb4" + syn)
answer = next((tcp for tcp in receive(time.monotonic() + 10) if tcp[13] & SYN), None)
if answer is None:
    sys.exit("no SYN-ACK")
named = marker(answer)
print("named", named.hex(), flush=True)
if epoch == "named":
    epoch = int.from_bytes(named[1:4], "big")
body = bytes([0x25]) + int(epoch).to_bytes(3, "big") + struct.pack(">H", number)
seq, ack = isn + 1 & 0xFFFFFFFF, int.from_bytes(answer[4:8], "big") + 1 & 0xFFFFFFFF
send(ACK, seq, ack, option(body))
send(ACK | PSH, seq, ack, option(body), payload)
for tcp in receive(time.monotonic() + 4):
    data = tcp[(tcp[12] >> 4) * 4 :]
    if data or tcp[13] & (RST | FIN):
        print("reset" if tcp[13] & RST else "end" if not data else "data", data.hex(), flush=True)
    if tcp[13] & RST:
        break
