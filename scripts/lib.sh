# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts of this folder (sourced, not run).
# shellcheck shell=bash

# shellcheck disable=SC2034 # for the scripts that source this
root=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
# The series of the kernel that virtual machines boot if nobody says another: that of Debian 13.
# shellcheck disable=SC2034
default_kernel=6.12

# die STATUS MESSAGE...: says what is wrong under the script's name and ends.
die() {
  local status=$1
  shift
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit "$status"
}

# colourful FD: whether escape codes are for the reader of FD: a terminal, whose user has not set NO_COLOR (no-color.org).
colourful() { [ -t "$1" ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; }

# find_width FD: sets width, the columns of the terminal that FD is; empty where it is none. Within $(...) standard output is no terminal.
find_width() {
  local size
  width=''
  [ -t "$1" ] || return 0
  { size=$(stty size <&3 2>/dev/null) || return 0; } 3<&"$1"
  # shellcheck disable=SC2034 # for who calls
  [ "${size#* }" = 0 ] || width=${size#* }
}

# A line of `make` that makes a file, as compilers are called.
makes_a_file='^[^ ]+ .*-o [^ ]'
# How often a long step says how far it is, in seconds: in place on a terminal, else along the line.
step_every_on_terminal=1 step_every=20

# step LABEL CMD...: runs CMD quietly, with a line of progress; when it fails, shows what it printed and passes its status on. With STEP_TOTAL
# set, progress is how many of so many files CMD (make) has made.
step() {
  local label=$1 log status=0 start=$SECONDS ticker
  shift
  log=$(mktemp)
  printf '  %-34s ' "$label" >&2
  tick "$label" "$log" "$start" &
  ticker=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  # Not by a signal that it may handle: killed before it is itself, it would run the traps of the script.
  { kill -KILL "$ticker" && wait "$ticker"; } 2>/dev/null || true
  [ ! -t 2 ] || printf '\r  %-34s ' "$label" >&2
  if [ "$status" = 0 ]; then
    printf 'done (%d s)%*s\n' "$((SECONDS - start))" "$([ -t 2 ] && echo 20 || echo 0)" '' >&2
  else
    printf 'FAILED (status %d)%*s\n' "$status" "$([ -t 2 ] && echo 20 || echo 0)" '' >&2
    sed 's/^/  | /' "$log" >&2
  fi
  rm -f "$log"
  return "$status"
}

# tick LABEL LOG START: says how far a step is, until it is killed.
tick() {
  local shell=$$ every=$step_every said
  [ ! -t 2 ] || every=$step_every_on_terminal
  # What waits holds nothing open that a reader waits for the end of.
  while sleep "$every" >/dev/null 2>&1 && kill -0 "$shell" 2>/dev/null; do
    said="$((SECONDS - $3)) s"
    [ -z "${STEP_TOTAL:-}" ] || said="$(grep -cE "$makes_a_file" "$2" || true) of $STEP_TOTAL files, $said"
    if [ -t 2 ]; then printf '\r  %-34s %-30s' "$1" "$said" >&2; else printf '%s ... ' "$said" >&2; fi
  done
}
