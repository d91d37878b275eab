# SPDX-License-Identifier: Apache-2.0
"""Types into a program on a terminal: type-into.py COMMAND...

Standard input is JSON, a list of [MARK, TEXT]: when the program has said MARK, TEXT is typed. Prints all that it said, and ends with its
exit status.
"""
import json
import sys

from terminal import Terminal

terminal = Terminal(sys.argv[1:])
for mark, text in json.load(sys.stdin):
    sys.stdout.write(terminal.until(mark.encode()))
    terminal.send(text)
said, status = terminal.rest()
sys.stdout.write(said)
sys.exit(status)
