# SPDX-License-Identifier: Apache-2.0
"""Peers that take part in a connection and never say a word.

usage: tarpit.py serve PORT                       accepts whatever comes, on all addresses, and keeps it open
       tarpit.py visit PORT FROM COUNT TO         COUNT connections that say nothing; ended ones are made again
           FROM, TO: an IPv4 address, or a prefix of two numbers (10.78.) for as many addresses as there are connections

Prints "ready" when it listens, or when all connections were made once.
"""

import asyncio
import resource
import sys


def address(text, at):
    return f"{text}{at // 250}.{at % 250 + 1}" if text.endswith(".") else text


async def swallow(reader, writer):
    try:
        while await reader.read(65536):
            pass
    except OSError:
        pass
    finally:
        writer.close()


async def serve(port):
    server = await asyncio.start_server(swallow, "0.0.0.0", int(port), backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


async def visit(port, source, count, target):
    made = 0

    async def one(at):
        nonlocal made
        first = True
        while True:
            try:
                there, here = address(target, at), address(source, at)
                reader, writer = await asyncio.open_connection(there, int(port), local_addr=(here, 0))
                made += first
                first = False
                if made == int(count):
                    print("ready", flush=True)
                    made += 1
                await swallow(reader, writer)
            except OSError:
                pass
            await asyncio.sleep(0.5)

    await asyncio.gather(*(one(at) for at in range(int(count))))


resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
asyncio.run({"serve": serve, "visit": visit}[sys.argv[1]](*sys.argv[2:]))
