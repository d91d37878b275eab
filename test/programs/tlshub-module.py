#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Speaks to the TLSHub kernel module: control by generic netlink, and requests for keys on netlink protocol 31. Written from
docs/TLSHUB_API.md and kmod/tlshub/uapi/tlshub.h, byte by byte.

usage: tlshub-module.py STEP...   Each step is one argument, words parted by spaces; each prints a line of JSON.
  set [key=HEX] [port=N] [network=PREFIX]... [replace] [lifetime=MS] [start=MS]      get
  peer NAME [key=HEX] [psk=HEX] [endpoint=ADDRESS:PORT] [network=PREFIX]... [replace] [update]
  del NAME      peers      peer-get NAME      flows
  init      start4 C CP S SP      fetch4 C CP S SP [server]
  start C CP S SP [key] [ident=N] [timeout=MS]      fetch C CP S SP [server] [wait=MS] [ident=N]
  raw TYPE HEX                 a message of protocol 31 as it is
  open | close                 another socket for the requests that follow; closes it
  send STEP                    an extended request whose answer is not waited for
  cancel N                     takes back the Nth request that was sent (from 0)
  receive MS                   the answers that come within this time
  listen MS                    events of the module
  sleep MS
  many COUNT AT-ONCE C S PORT  extended STARTs with keys, of COUNT tuples from C to S:PORT; prints how many were done, and a hash of all keys
  collect COUNT AT-ONCE C S PORT    the same as FETCHes of the server's side that wait
"""
import hashlib
import ipaddress
import json
import os
import select
import socket
import struct
import sys
import time

NETLINK_GENERIC = 16
PROTOCOL = 31
ERROR, DONE = 2, 3
REQUEST, ACK, DUMP = 1, 4, 0x300
NEW_REQUEST, NEW_REPLY = 0x20, 0x21
OPCODES = {'init': 0, 'start': 1, 'fetch': 2, 'cancel': 3}
NODE = ['', 'privateKey', 'publicKey', 'listenPort', 'flags', 'network', 'lifetimeMs', 'startMs', 'peers', 'flows', 'waiters', 'counters']
COUNTERS = ['', 'pad', 'starts', 'startsFailed', 'keysTaken', 'keysFetched', 'keysExpired', 'handshakes', 'handshakesFailed', 'cookiesSent',
            'sent', 'sendErrors', 'received', 'dropMalformed', 'dropMac', 'dropCookie', 'dropRate', 'dropQueue', 'dropUnknownPeer', 'dropForged',
            'dropReplayedHandshake', 'dropSession', 'dropUndecryptable', 'dropReplayed', 'refusedNetwork', 'refusedRoom']
PEER = ['', 'pad', 'name', 'publicKey', 'presharedKey', 'endpoint', 'flags', 'network', 'state', 'sessionAgeMs', 'handshakes', 'starts',
        'keysTaken', 'pending', 'sent', 'received']
FLOW = ['', 'pad', 'clientAddress', 'serverAddress', 'clientPort', 'serverPort', 'ident', 'server', 'state', 'peer', 'ageMs', 'waiters']
EVENT = ['', 'type', 'peer', 'endpoint', 'publicKey']
EVENTS = ['', 'session', 'lost', 'roamed', 'unknown-peer', 'under-load']


def attribute(kind, data):
    return struct.pack('=HH', 4 + len(data), kind) + data + bytes(-len(data) % 4)


def attributes(data):
    while len(data) >= 4:
        length, kind = struct.unpack_from('=HH', data)
        yield kind & 0x3fff, data[4:length]
        data = data[(length + 3) & ~3:]


def number(data):
    return int.from_bytes(data, sys.byteorder)


def endpoint_text(data):
    family, port = struct.unpack('=H', data[:2])[0], struct.unpack('>H', data[2:4])[0]
    address = ipaddress.ip_address(data[4:8] if family == socket.AF_INET else data[8:24])
    return f'[{address}]:{port}' if address.version == 6 else f'{address}:{port}'


def network_text(data):
    fields = dict(attributes(data))
    return f'{ipaddress.ip_address(fields[1])}/{fields[2][0]}'


def readable(names, data):
    out = {}
    for kind, value in attributes(data):
        name = names[kind]
        if name == 'pad':
            continue
        if name == 'network':
            out.setdefault('networks', []).append(network_text(value))
        elif name == 'counters':
            out[name] = {COUNTERS[k]: number(v) for k, v in attributes(value) if COUNTERS[k] != 'pad'}
        elif name in ('publicKey',):
            out[name] = value.hex()
        elif name in ('name', 'peer'):
            out[name] = value.rstrip(b'\0').decode()
        elif name == 'endpoint':
            out[name] = endpoint_text(value)
        elif name in ('clientAddress', 'serverAddress'):
            out[name] = str(ipaddress.ip_address(value))
        else:
            out[name] = number(value)
    return out


class Control:
    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.socket.bind((0, 0))
        self.sequence = 0
        family = self.ask(0x10, 3, attribute(2, b'tlshub\0'))[0]
        fields = dict(attributes(family))
        self.family = number(fields[1])
        groups = [dict(attributes(group)) for _, group in attributes(fields[7])]
        self.group = number(groups[0][2])

    def ask(self, kind, command, payload=b'', flags=ACK):
        self.sequence += 1
        body = struct.pack('=BBH', command, 1, 0) + payload
        self.socket.send(struct.pack('=IHHII', 16 + len(body), kind, REQUEST | flags, self.sequence, 0) + body)
        parts = []
        while True:
            data = self.socket.recv(1 << 16)
            while data:
                length, answer, _, sequence, _ = struct.unpack_from('=IHHII', data)
                part, data = data[16:length], data[(length + 3) & ~3:]
                if sequence != self.sequence:
                    continue
                if answer in (ERROR, DONE):
                    error = -struct.unpack_from('=i', part)[0] if len(part) >= 4 else 0
                    if error:
                        raise OSError(error, os.strerror(error))
                    return parts
                parts.append(part[4:])

    def networks(self, kind, words):
        out = b''
        for word in words:
            if word.startswith('network='):
                prefix = ipaddress.ip_network(word[8:], strict=False)
                out += attribute(kind | 0x8000, attribute(1, prefix.network_address.packed) + attribute(2, bytes([prefix.prefixlen])))
        return out

    @staticmethod
    def value(words, name):
        return next((word[len(name) + 1:] for word in words if word.startswith(name + '=')), None)

    def set(self, words):
        out = b''
        value = lambda name: self.value(words, name)
        if value('key'):
            out += attribute(1, bytes.fromhex(value('key')))
        if value('port'):
            out += attribute(3, struct.pack('=H', int(value('port'))))
        if 'replace' in words:
            out += attribute(4, struct.pack('=I', 1))
        out += self.networks(5, words)
        if value('lifetime'):
            out += attribute(6, struct.pack('=I', int(value('lifetime'))))
        if value('start'):
            out += attribute(7, struct.pack('=I', int(value('start'))))
        self.ask(self.family, 2, out)
        return {}

    def get(self):
        return readable(NODE, self.ask(self.family, 1)[0])

    def peer(self, words):
        out = attribute(2, words[0].encode() + b'\0')
        value = lambda name: self.value(words, name)
        if value('key'):
            out += attribute(3, bytes.fromhex(value('key')))
        if value('psk'):
            out += attribute(4, bytes.fromhex(value('psk')))
        if value('endpoint'):
            address, port = value('endpoint').rsplit(':', 1)
            address = ipaddress.ip_address(address.strip('[]'))
            if address.version == 4:
                out += attribute(5, struct.pack('=H', socket.AF_INET) + struct.pack('>H', int(port)) + address.packed + bytes(8))
            else:
                out += attribute(5, struct.pack('=H', socket.AF_INET6) + struct.pack('>HI', int(port), 0) + address.packed + bytes(4))
        flags = ('replace' in words) | ('update' in words) << 1
        if flags:
            out += attribute(6, struct.pack('=I', flags))
        self.ask(self.family, 4, out + self.networks(7, words))
        return {}

    def delete(self, name):
        self.ask(self.family, 5, attribute(2, name.encode() + b'\0'))
        return {}

    def peers(self):
        return [readable(PEER, part) for part in self.ask(self.family, 3, flags=DUMP)]

    def one_peer(self, name):
        return readable(PEER, self.ask(self.family, 3, attribute(2, name.encode() + b'\0'))[0])

    def flows(self):
        return [readable(FLOW, part) for part in self.ask(self.family, 6, flags=DUMP)]

    def listen(self, milliseconds):
        listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        listener.bind((0, 0))
        listener.setsockopt(270, 1, self.group)
        until, events = time.monotonic() + milliseconds / 1000, []
        while select.select([listener], [], [], max(0, until - time.monotonic()))[0]:
            event = readable(EVENT, listener.recv(1 << 16)[20:])
            event['type'] = EVENTS[event['type']]
            events.append(event)
        return events


def mapped(address):
    address = ipaddress.ip_address(address)
    return address.packed if address.version == 6 else bytes(10) + b'\xff\xff' + address.packed


def tuple_of(client, client_port, server, server_port, ident=0):
    return mapped(client) + mapped(server) + struct.pack('>HH', int(client_port), int(server_port)) + struct.pack('=I', ident)


def extended(words):
    """An extended request, without its header."""
    opcode, rest = OPCODES[words[0]], words[5:]
    value = lambda name: int(Control.value(rest, name) or 0)
    flags = ('wait=' in ' '.join(rest)) | ('key' in rest) << 1
    timeout = value('wait') or value('timeout')
    return struct.pack('=BBHIII', opcode, 'server' in rest, flags, timeout, 0, 0) + tuple_of(*words[1:5], value('ident'))


def text(data):
    return data.split(b'\0')[0].decode()


class Asker:
    def __init__(self):
        self.sequence = 0
        self.sent = []
        self.open()

    def open(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, PROTOCOL)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((0, 0))

    def close(self):
        self.socket.close()

    def send(self, kind, body):
        self.sequence += 1
        self.socket.send(struct.pack('=IHHII', 16 + len(body), kind, 0, self.sequence, 0) + body)
        return self.sequence

    def receive(self, seconds):
        """An answer, or None: (type, sequence, body)"""
        if not select.select([self.socket], [], [], seconds)[0]:
            return None
        data = self.socket.recv(1 << 16)
        length, kind, _, sequence, _ = struct.unpack_from('=IHHII', data)
        assert length == len(data), (length, len(data))
        return kind, sequence, data[16:]

    @staticmethod
    def describe(answer):
        if answer is None:
            return {'silent': True}
        kind, sequence, body = answer
        out = {'sequence': sequence}
        if kind == ERROR:
            out['error'] = os.strerror(-struct.unpack_from('=i', body)[0])
        elif kind == NEW_REPLY:
            status = struct.unpack_from('=i', body, 4)[0]
            out.update(type=body[0], status=status, text=text(body[40:]))
            if status == 0:
                out['key'] = body[8:40].hex()
            elif any(body[8:40]):
                out['leak'] = body[8:40].hex()
        else:
            out.update(type=body[0], length=16 + len(body))
            if body[0] == 8:
                status = struct.unpack_from('=i', body, 1)[0]
                out['status'] = status
                if status == 0:
                    out['key'] = body[5:37].hex()
            else:
                out['text'] = text(body[1:])
            if body[0] == 7:
                magic, features, waiters, lifetime = struct.unpack_from('=IIII', body, 64)
                out.update(magic=struct.pack('=I', magic).decode(), features=features, waiters=waiters, lifetimeMs=lifetime)
        return out

    def exchange(self, kind, body, seconds=10):
        self.send(kind, body)
        return self.describe(self.receive(seconds))

    def public(self, words):
        opcode = OPCODES[words[0].rstrip('4')]
        if opcode == 0:
            return self.exchange(0, bytes(12) + bytes([0, 1, 0, 0]))
        client, client_port, server, server_port = words[1:5]
        body = ipaddress.ip_address(client).packed + ipaddress.ip_address(server).packed
        body += struct.pack('>HH', int(client_port), int(server_port)) + bytes([opcode, 'server' in words, 0, 0])
        return self.exchange(0, body)

    def many(self, count, at_once, make):
        """`count` requests, `at_once` under way. Keys go into a hash in the order of the tuples."""
        keys, which, begun, statuses, began = {}, {}, 0, {}, time.monotonic()
        while len(keys) + sum(statuses.values()) < count:
            while begun < count and len(which) < at_once:
                which[self.send(NEW_REQUEST, make(begun))] = begun
                begun += 1
            answer = self.receive(30)
            if answer is None:
                statuses['silent'] = count - len(keys) - sum(statuses.values())
                break
            got = self.describe(answer)
            index = which.pop(got['sequence'])
            if 'key' in got:
                keys[index] = bytes.fromhex(got['key'])
            else:
                why = got.get('text') or got.get('error') or str(got.get('status'))
                statuses[why] = statuses.get(why, 0) + 1
        whole = hashlib.sha256(b''.join(keys[index] for index in sorted(keys))).hexdigest()
        return {'done': len(keys), 'distinct': len(set(keys.values())), 'hash': whole, 'others': statuses, 'seconds': time.monotonic() - began}


def spread(client, server, port):
    """The nth tuple: client ports first, then other server ports."""
    return lambda n: (client, 1024 + n % 60000, server, int(port) + n // 60000)


def main():
    control = asker = None
    for step in sys.argv[1:]:
        words = step.split()
        verb = words[0]
        try:
            if verb in ('set', 'get', 'peer', 'del', 'peers', 'peer-get', 'flows', 'listen'):
                control = control or Control()
                result = {'set': lambda: control.set(words[1:]), 'get': control.get, 'peer': lambda: control.peer(words[1:]),
                          'del': lambda: control.delete(words[1]), 'peers': control.peers,
                          'peer-get': lambda: control.one_peer(words[1]), 'flows': control.flows,
                          'listen': lambda: control.listen(int(words[1]))}[verb]()
            elif verb == 'sleep':
                time.sleep(int(words[1]) / 1000)
                result = {}
            else:
                asker = asker or Asker()
                if verb in ('init', 'start4', 'fetch4'):
                    result = asker.public(words)
                elif verb in ('start', 'fetch'):
                    result = asker.exchange(NEW_REQUEST, extended(words), 70)
                elif verb == 'raw':
                    result = asker.exchange(int(words[1], 0), bytes.fromhex(words[2]) if len(words) > 2 else b'', 1)
                elif verb == 'open':
                    asker.open()
                    result = {}
                elif verb == 'close':
                    asker.close()
                    result = {}
                elif verb == 'send':
                    asker.sent.append(asker.send(NEW_REQUEST, extended(words[1:])))
                    result = {'sequence': asker.sent[-1]}
                elif verb == 'cancel':
                    asker.send(NEW_REQUEST, struct.pack('=BBHIII', 3, 0, 0, 0, asker.sent[int(words[1])], 0) + bytes(40))
                    result = {}
                elif verb == 'receive':
                    until, result = time.monotonic() + int(words[1]) / 1000, []
                    while (answer := asker.receive(max(0, until - time.monotonic()))) is not None:
                        result.append(asker.describe(answer))
                elif verb in ('many', 'collect'):
                    at = spread(words[3], words[4], words[5])
                    more = ['key'] if verb == 'many' else ['server', 'wait=30000']
                    name = 'start' if verb == 'many' else 'fetch'
                    result = asker.many(int(words[1]), int(words[2]), lambda n: extended([name, *map(str, at(n)), *more]))
                else:
                    sys.exit(__doc__)
        except OSError as error:
            result = {'error': error.strerror}
        print(json.dumps(result), flush=True)


if __name__ == '__main__':
    main()
