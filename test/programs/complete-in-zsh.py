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


said = b''


def until(mark):
    """What it said up to and with the mark; what comes behind it is kept for the next call."""
    global said
    while mark not in said:
        if not select.select([terminal], [], [], 30)[0]:
            sys.exit('zsh does not answer; it said: %r' % said)
        said += os.read(terminal, 65536)
    text, _, said = said.partition(mark)
    return (text + mark).decode()


def send(text):
    os.write(terminal, text.encode())


# Nothing is typed ahead: the editor says when it first reads keys (zle-line-init), and Tab ends by saying what it made of
# the line, and emptying it. What is typed while the shell switches the terminal's modes may become other keys.
# The marks are written in two parts, so that the echo of what is typed does not have them.
setup = [
    "PS1=; autoload -U compinit; compinit -u -D; source '%s'" % script,
    "complete-and-say() { zle expand-or-complete; print -r -- LI''NE: $BUFFER EN''D; zle kill-buffer }",
    "zle -N complete-and-say; bindkey '^I' complete-and-say",
    "zle-line-init() print -n EDI''TOR; zle -N zle-line-init",
]
send('; '.join(setup) + '\n')
until(b'EDITOR')
for line in lines:
    send(line + '\t')
    print(re.search(r'LINE: (.*) END$', until(b' END')).group(1))
os.kill(pid, 9)
