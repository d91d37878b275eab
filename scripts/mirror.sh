# SPDX-License-Identifier: Apache-2.0
# Shared by what takes packages from Debian without installing them on this machine (sourced, not run).
# shellcheck shell=bash

# shellcheck disable=SC2034 # for the scripts that source this
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# mirror debian|debian-security: the one this machine uses for Debian itself, so that mirrors and proxies configured for it serve here too.
mirror() {
  local f
  for f in /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list; do
    if [ -r "$f" ]; then sed -nE "s#^(URIs:|deb( +\\[[^]]*\\])?) *(https?://[^ ]*/$1)/?( .*)?\$#\\3#p" "$f"; fi
  done | sed -n 1p
}

# private_apt WORK SUITE...: sets apt_options for apt-get and apt-cache that know these suites alone, with everything of theirs in WORK, and
# fetches the lists; what was said is in WORK/apt.log. The machine's own lists and sources are not touched.
private_apt() {
  local work=$1 suite uri security_uri
  shift
  uri=$(mirror debian)
  security_uri=$(mirror debian-security)
  mkdir -p "$work"/apt/{lists/partial,archives/partial}
  for suite in "$@"; do
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "${uri:-http://deb.debian.org/debian}" "$suite"
    if [ "$suite" = bookworm ]; then # a release gets its newest kernels through the security suite
      printf 'deb [signed-by=%s] %s bookworm-security main\n' "$keyring" "${security_uri:-http://deb.debian.org/debian-security}"
    fi
  done >"$work/sources.list"
  apt_options=(-q -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::Etc::preferences=/dev/null -o "Dir::State=$work/apt"
    -o "Dir::State::lists=$work/apt/lists" -o Dir::State::status=/dev/null -o "Dir::Cache=$work/apt"
    -o "Dir::Cache::archives=$work/apt/archives" -o APT::Sandbox::User=root -o APT::Architecture=amd64
    -o Acquire::Languages=none -o Acquire::Retries=3)
  apt-get "${apt_options[@]}" update >"$work/apt.log" 2>&1
}
