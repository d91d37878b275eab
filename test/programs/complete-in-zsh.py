# SPDX-License-Identifier: Apache-2.0
"""What an interactive zsh makes of command lines when Tab is pressed: complete-in-zsh.py SCRIPT LINE...

SCRIPT is a completion script. Prints, for each LINE, the line after completion.
"""
import re
import sys

from terminal import Terminal

script, lines = sys.argv[1], sys.argv[2:]
zsh = Terminal(['zsh', '-f', '-i'])

# The editor says when it first reads keys (zle-line-init), and Tab ends by saying what it made of the line, and emptying it. What is
# typed while the shell switches the terminal's modes may become other keys.
# The marks are written in two parts, so that the echo of what is typed does not have them.
setup = [
    "PS1=; autoload -U compinit; compinit -u -D; source '%s'" % script,
    "complete-and-say() { zle expand-or-complete; print -r -- LI''NE: $BUFFER EN''D; zle kill-buffer }",
    "zle -N complete-and-say; bindkey '^I' complete-and-say",
    "zle-line-init() print -n EDI''TOR; zle -N zle-line-init",
]
zsh.send('; '.join(setup) + '\n')
zsh.until(b'EDITOR')
for line in lines:
    zsh.send(line + '\t')
    print(re.search(r'LINE: (.*) END$', zsh.until(b' END')).group(1))
zsh.kill()
