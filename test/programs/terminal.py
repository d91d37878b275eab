# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of its own, for the scripts of this folder."""
import os
import pty
import select
import sys

PATIENCE_SECONDS = 30


class Terminal:
    """Nothing is typed ahead: who sends waits for what the program says before, with `until`."""

    def __init__(self, command):
        self.said = b''
        self.name = command[0]
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ['TERM'] = 'dumb'
            os.execvp(command[0], command)

    def read(self):
        """Waits for more. False: the program has ended."""
        if not select.select([self.terminal], [], [], PATIENCE_SECONDS)[0]:
            sys.exit('%s does not answer; it said: %r' % (self.name, self.said))
        try:
            more = os.read(self.terminal, 65536)
        except OSError:  # EIO: nobody has the other end any more
            return False
        self.said += more
        return more != b''

    def until(self, mark):
        """What it said up to and with the mark; what comes behind it is kept for the next call."""
        while mark not in self.said:
            if not self.read():
                sys.exit('%s has ended without saying %r; it said: %r' % (self.name, mark, self.said))
        text, _, self.said = self.said.partition(mark)
        return (text + mark).decode()

    def send(self, text):
        os.write(self.terminal, text.encode())

    def rest(self):
        """What it says until its end, and its exit status."""
        while self.read():
            pass
        return self.said.decode(), os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self):
        os.kill(self.pid, 9)
