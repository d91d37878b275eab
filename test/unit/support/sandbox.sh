#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: sandbox.sh UNIT.service CMD ARG... | sandbox.sh --no-unit CMD ARG...
#
# Runs CMD with the limits that the unit sets, by a manager of its own (systemd --user, as root) in a mount namespace of its own, so that it
# works where systemd is not process 1 as well, and leaves nothing behind. What CMD prints and its exit status are passed on.
# --no-unit: with the mounts that all agents find, and no limits.
# It finds the current folder as /run/sandbox/here and node as /run/sandbox/node: the unit hides /tmp and /home, where both may be.
set -euo pipefail
if [ -z "${SANDBOX_INSIDE:-}" ]; then exec env SANDBOX_INSIDE=1 unshare --mount --propagation private "$0" "$@"; fi
unit=$1
shift

# What systemd has mounted where it is process 1: elsewhere, nobody may have.
if ! mountpoint -q /sys/fs/bpf; then mount -t bpf -o mode=700 bpf /sys/fs/bpf; fi
if ! grep -q ' - cgroup2 ' /proc/self/mountinfo; then mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi
[ "$unit" != --no-unit ] || exec "$@"

node=$(readlink -f "$(command -v node)")
mount -t tmpfs -o mode=755 tmpfs /run
# What the system's manager has made long before.
mkdir -p /run/systemd/system /run/systemd/inaccessible/dir /run/sandbox
touch /run/systemd/inaccessible/reg
mkdir /run/sandbox/here
mount --bind . /run/sandbox/here
touch /run/sandbox/node
mount --bind "$node" /run/sandbox/node
mkfifo /run/systemd/inaccessible/fifo
mknod /run/systemd/inaccessible/chr c 0 0
mknod /run/systemd/inaccessible/blk b 0 0
export XDG_RUNTIME_DIR=/run/user/0
mkdir -p $XDG_RUNTIME_DIR/systemd/user
chmod 700 $XDG_RUNTIME_DIR

printf '%q ' exec "$@" >/run/sandbox/command
{
  # All that the unit says but what it starts and when, and the folders, which a user's manager has elsewhere.
  sed -n '/^\[Service\]/,/^\[Install\]/p' "$unit" |
    grep -E '^[A-Z]' | grep -vE '^(Type|Exec[A-Za-z]*|KillMode|Timeout[A-Za-z]*|Restart(Sec|PreventExitStatus)?|WorkingDirectory)=' |
    grep -vE '^(Runtime|State|Configuration)Directory(Mode)?=' | sed '1i [Service]'
  echo 'Type=oneshot'
  echo 'ExecStart=/bin/bash /run/sandbox/command'
  echo 'StandardOutput=file:/run/sandbox/out'
  echo 'StandardError=file:/run/sandbox/err'
} >$XDG_RUNTIME_DIR/systemd/user/sandbox.service

/usr/lib/systemd/systemd --user >/run/sandbox/manager 2>&1 &
manager=$!
trap 'kill $manager; wait $manager || :' EXIT
for ((i = 0; i < 100; i++)); do
  [ ! -S $XDG_RUNTIME_DIR/systemd/private ] || break
  sleep 0.1
done
systemctl --user start sandbox.service 2>/run/sandbox/start || :
status=$(systemctl --user show --value -p ExecMainStatus sandbox.service)
cat /run/sandbox/out
cat /run/sandbox/err >&2
[ "$status" = 0 ] || cat /run/sandbox/start >&2
exit "$status"
