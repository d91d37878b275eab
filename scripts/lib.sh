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

# step LABEL CMD...: runs CMD quietly, with a line of progress; when it fails, shows what it printed and passes its status on.
step() {
  local label=$1 log status=0 start=$SECONDS
  shift
  log=$(mktemp)
  printf '  %-34s ' "$label" >&2
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" = 0 ]; then
    printf 'done (%d s)\n' "$((SECONDS - start))" >&2
  else
    printf 'FAILED (status %d)\n' "$status" >&2
    sed 's/^/  | /' "$log" >&2
  fi
  rm -f "$log"
  return "$status"
}
