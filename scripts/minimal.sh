# SPDX-License-Identifier: Apache-2.0
# Shared by what runs in a minimal Debian (sourced, not run; after lib.sh and mirror.sh).
# shellcheck shell=bash

# shellcheck disable=SC2034 # for the scripts that source this
declare -A suite=([12]=bookworm [13]=trixie)

# need_minimal: ends unless minimal systems can be made here. Sets uri, security_uri and cache.
need_minimal() {
  [ "$EUID" = 0 ] || die 77 'debootstrap and chroot need root'
  PATH=$PATH:/usr/sbin:/sbin
  command -v debootstrap >/dev/null || die 69 'debootstrap is missing: run scripts/setup'
  # shellcheck disable=SC2154 # of mirror.sh
  [ -r "$keyring" ] || die 69 "$keyring is missing: apt-get install debian-archive-keyring"
  uri=$(mirror debian)
  security_uri=$(mirror debian-security)
  [ -n "$uri" ] || die 69 "no mirror of Debian in this machine's apt sources"
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/tlshub-ebpf
  mkdir -p "$cache/fresh/packages/partial"
}

# bootstrap SUITE: its minimal system as a tar file in the cache.
bootstrap() {
  local tar=$cache/fresh/$1.tar folder
  [ ! -e "$tar" ] || return 0
  folder=$(mktemp -d /var/tmp/tlshub-bootstrap.XXXXXX)
  debootstrap --variant=minbase --keyring="$keyring" "$1" "$folder" "$uri" || { tail -n 5 "$folder/debootstrap/debootstrap.log"; rm -rf "$folder"; return 1; }
  rm -rf "$folder"/var/cache/apt/archives/*.deb
  tar -C "$folder" -cf "$tar.new" . && mv "$tar.new" "$tar"
  rm -rf "$folder"
}

# unpack_minimal FOLDER SUITE: that system, with what this machine needs to reach a mirror.
unpack_minimal() {
  local file
  tar -C "$1" -xf "$cache/fresh/$2.tar"
  {
    echo "deb $uri $2 main"
    echo "deb $uri $2-updates main"
    [ -z "$security_uri" ] || echo "deb $security_uri $2-security main"
  } >"$1/etc/apt/sources.list"
  apt-config dump Acquire | grep -vE '::CompressionTypes|::IndexTargets' >"$1/etc/apt/apt.conf.d/99of-the-host"
  for file in /etc/resolv.conf /etc/hosts "$(npm config get cafile)" "${NODE_EXTRA_CA_CERTS:-}"; do
    if [ -f "$file" ]; then install -D -m 644 "$file" "$1$file"; fi
  done
}

# mount_minimal FOLDER: what the root of a machine has mounted, in namespaces of its own.
mount_minimal() {
  local folder=$1 name
  mount --rbind "$folder" "$folder" # the root of a machine is a mount
  mount -t proc proc "$folder/proc"
  mount -t sysfs sysfs "$folder/sys"
  mount -t tmpfs -o mode=755 tmpfs "$folder/dev"
  for name in null zero full random urandom tty kvm net/tun fuse; do
    [ -c "/dev/$name" ] || continue
    mkdir -p "$(dirname "$folder/dev/$name")" && : >"$folder/dev/$name" && mount --bind "/dev/$name" "$folder/dev/$name"
  done
  mkdir "$folder"/dev/{pts,shm}
  mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$folder/dev/pts"
  ln -s pts/ptmx "$folder/dev/ptmx"
  ln -s /proc/self/fd "$folder/dev/fd"
  for name in stdin:0 stdout:1 stderr:2; do ln -s "/proc/self/fd/${name#*:}" "$folder/dev/${name%:*}"; done
  mount -t tmpfs -o mode=1777 tmpfs "$folder/dev/shm"
  mount -t tmpfs -o mode=755 tmpfs "$folder/run"
  mkdir "$folder/run/lock"
  mount --bind "$cache/fresh/packages" "$folder/var/cache/apt/archives"
}

# minimal_environment: sets env to the variables of root in such a system, with those of the host's that say how to reach a mirror.
minimal_environment() {
  local name
  env=(HOME=/root USER=root LANG=C.UTF-8 TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
  for name in $(compgen -e); do
    case $name in http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY | NODE_EXTRA_CA_CERTS | npm_config_registry) env+=("$name=${!name}") ;; esac
  done
}
