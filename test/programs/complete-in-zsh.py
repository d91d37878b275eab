"""What an interactive zsh makes of command lines when Tab is pressed: complete-in-zsh.py SCRIPT LINE...

SCRIPT is a completion script. Prints, for each LINE, the line after completion.
"""
import os
import pty
import re
import select
import sys

script, lines = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ['TERM'] = 'dumb'
    os.execvp('zsh', ['zsh', '-f', '-i'])


def until(mark):
    text = b''
    while mark not in text:
        if not select.select([terminal], [], [], 30)[0]:
            sys.exit('zsh does not answer; it said: %r' % text)
        text += os.read(terminal, 65536)
    return text.decode()


def send(text):
    os.write(terminal, text.encode())


# The marks are written in two parts, so that the echo of what is typed does not have them.
send("PS1=; autoload -U compinit; compinit -u -D; source '%s'; print REA''DY\n" % script)
until(b'READY\r\n')
for line in lines:
    # Control-A: begin of line; Control-E: its end.
    send("%s\t\x01print -r -- LI''NE: '\x05' EN''D\n" % line)
    print(re.search(r'LINE: (.*) END\r\n', until(b' END\r\n')).group(1))
os.kill(pid, 9)
