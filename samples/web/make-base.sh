#!/usr/bin/env bash
# Makes a Debian 12 root file system as a tar, from the Debian mirror: the base of samples/web.
#
#   make-base.sh debian.tar && torte import debian.tar debian:12
#
# Needs mmdebstrap. An ordinary user also needs subordinate ids (package uidmap and lines in /etc/subuid, /etc/subgid).
# DEBIAN_MIRROR is the mirror to use.
set -euo pipefail
output=${1:?usage: make-base.sh OUTPUT.tar}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
mmdebstrap --quiet --variant=minbase --include=ca-certificates \
  --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  bookworm "$output" "$mirror"
