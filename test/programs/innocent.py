# SPDX-License-Identifier: Apache-2.0
"""A program that minds its own business.

usage: innocent.py serve HOST PORT          echoes whatever comes; prints "ready" when it listens
       innocent.py visit HOST PORT COUNT    COUNT connections, one after the other, each of which must bring its own byte back; prints as
                                            JSON how long each took in ms, and what failed
"""

import asyncio
import json
import socket
import sys
import time

PATIENCE = 30


async def echo(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def serve(host, port):
    server = await asyncio.start_server(echo, host, int(port), backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


def visit(host, port, count):
    times, failures = [], []
    for at in range(int(count)):
        begun = time.monotonic()
        try:
            with socket.create_connection((host, int(port)), PATIENCE) as one:
                one.sendall(bytes([at % 256]))
                got = one.recv(1)
                if got != bytes([at % 256]):
                    raise OSError(f"{got!r} came back")
            times.append((time.monotonic() - begun) * 1000)
        except OSError as error:
            failures.append(f"{type(error).__name__} {error} after {time.monotonic() - begun:.1f} s")
        time.sleep(0.02)
    print(json.dumps({"times": times, "failures": failures}), flush=True)


if sys.argv[1] == "serve":
    asyncio.run(serve(*sys.argv[2:]))
else:
    visit(*sys.argv[2:])
