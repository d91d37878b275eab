#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compares key providers on real traffic. See usage().
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

usage() {
  cat <<'TEXT'
usage: test/perf_test.sh [--modes tlshub,openssl,boringssl] [--rounds N] [--duration S] [--connections N] [--concurrency N] [--out DIR]
                         [--kernel K]

Modes take turns, so many rounds (default 3). In each: a fresh pair of nodes, connections of tlshub_bench between captured programs, then bulk
data; S seconds of connections for each mode, all rounds together (default 20), and N connections at most (default: no limit).
Prints the comparison, the medians of the rounds and how far these lie apart, and what it comes to; warns if the machine had other work.
Writes into DIR/DATE (DIR: default perf_results): perf_MODE_DATE.json and .csv for each mode, summary.json, and report.html, which opens
without a network; links of the same names in DIR lead to the last run's. Runs on this host if its kernel can and this is root, else in
the virtual machine (scripts/vm; --kernel 6.1, 6.12 or 7.3). With no arguments, on a terminal: a menu.
Exit status: 0 worked, 1 failed or connections failed, 64 usage.
TEXT
}

all=(tlshub openssl boringssl)
modes=tlshub,openssl,boringssl rounds=3 duration=20 connections=0 concurrency=8 out=perf_results kernel=6.1

number() { # number OPTION VALUE LEAST
  # No leading zero: bash would take it for octal.
  if [[ ! $2 =~ ^(0|[1-9][0-9]{0,8})$ ]] || [ "$2" -lt "$3" ]; then die 64 "$1 $2: a whole number from $3 on is wanted"; fi
}

check() { # check OPTION VALUE: an error names what is allowed
  local mode seen=' '
  case $1 in
    --modes)
      [[ $2 =~ ^[a-z]+(,[a-z]+)*$ ]] || die 64 "--modes: one or more of ${all[*]}, with commas between them"
      for mode in ${2//,/ }; do
        [[ " ${all[*]} " == *" $mode "* ]] || die 64 "--modes $2: $mode is none of ${all[*]}"
        [[ $seen != *" $mode "* ]] || die 64 "--modes $2: $mode is there twice"
        seen+="$mode "
      done
      ;;
    --duration | --rounds) number "$1" "$2" 1 ;;
    --connections) number "$1" "$2" 0 ;;
    --concurrency) number "$1" "$2" 1 ;;
    --kernel) case $2 in 6.1 | 6.12 | 7.3) ;; *) die 64 "--kernel $2: allowed are 6.1, 6.12 and 7.3" ;; esac ;;
  esac
}

# cpu_time PID: of this machine since its start, in ticks: in use, in all; and of what PID has started and that has ended. Time that the machine
# around this one has taken away (steal) was not there for us either.
cpu_time() {
  awk 'FNR == NR && $1 == "cpu" { print $2 + $3 + $4 + $7 + $8 + $9, $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 } FNR != NR { print $16 + $17 }' \
    /proc/stat "/proc/$1/stat" | xargs
}

run() {
  local host count own=$BASHPID before after status=0 others width show=()
  # Each by itself: `set -e` does not hold below `||`, as the menu calls this.
  scripts/setup || return
  scripts/build || return
  mkdir -p "$out" || die 1 "cannot make the folder $out"
  out=$(cd "$out" && pwd)
  find_width 1
  [ -z "$width" ] || show=(--columns "$width")
  local command=(node build/bench/perf/main.js --modes "$modes" --rounds "$rounds" --duration "$duration" --connections "$connections"
    --concurrency "$concurrency" --out "$out")
  if [ "$(id -u)" = 0 ] && node dist/cli/tlshubctl.js check >/dev/null 2>&1; then
    echo "This host's kernel can do all of it: running here."
    "${command[@]}" "${show[@]}"
    return
  fi
  host=$(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1)
  echo 'This host cannot run the agent itself (tlshubctl check says why): running in a virtual machine.'
  count=$(tr ',' '\n' <<<"$modes" | wc -l)
  before=$(cpu_time "$own")
  scripts/vm --kernel "$kernel" --timeout "$((count * (duration * 2 + rounds * 150) + 120))" --out "$out" -- \
    "${command[@]}" --host "$host" || status=$?
  [ "$status" -le 1 ] && [ -e "$out/summary.json" ] || return "$status"
  after=$(cpu_time "$own")
  others=$(awk '{ busy = $4 - $1 - ($6 - $3); printf "%.1f", (busy > 0 && $5 > $2 ? 100 * busy / ($5 - $2) : 0) }' <<<"$before $after")
  node build/bench/perf/show.js --out "$out" --others-percent "$others" "${show[@]}" || return
  return "$status"
}

menu() {
  local choice name
  while true; do
    printf '\nTLShub-eBPF: performance of key providers (duration %s s, results in %s)\n' "$duration" "$out"
    printf '  1) one mode\n  2) all modes, compared\n  3) duration\n  4) quit\n'
    read -rp 'choice: ' choice || return 0
    case $choice in
      1)
        read -rp "mode (${all[*]}): " name || return 0
        if (check --modes "$name"); then
          modes=$name
          (run) || true # it has said why
        fi
        ;;
      2)
        modes=$(IFS=,; echo "${all[*]}")
        (run) || true
        ;;
      3)
        read -rp 'seconds: ' name || return 0
        if (check --duration "$name"); then duration=$name; fi
        ;;
      4 | q | quit) return 0 ;;
      *) echo 'please choose 1, 2, 3 or 4' ;;
    esac
  done
}

interactive=''
if [ $# = 0 ] && [ -t 0 ] && [ -t 1 ]; then interactive=yes; fi
while [ $# -gt 0 ]; do
  case $1 in
    --modes | --rounds | --duration | --connections | --concurrency | --out | --kernel)
      [ $# -ge 2 ] || die 64 "$1 needs a value"
      check "$1" "$2"
      printf -v "${1#--}" %s "$2"
      shift 2
      ;;
    -h | --help) usage; exit 0 ;;
    *) die 64 "unknown option $1 (test/perf_test.sh --help lists them)" ;;
  esac
done
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$root"
if [ -n "$interactive" ]; then menu; else run; fi
