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
