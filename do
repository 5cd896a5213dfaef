#!/bin/sh
# gantry's front door: installs what is missing, builds, and does one thing.
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")"

usage() {
  cat <<'TEXT'
usage: ./do WORD
  build    install what is missing and build build/release/gantry
  demo     film 20 s of a simulated match into out/demo/
  test     build and run every test, then the short sanitizer, fuzz and format checks
  quick    the tests of the release build alone
  asan     the tests under AddressSanitizer and UndefinedBehaviorSanitizer
  tsan     the threaded tests under ThreadSanitizer
  fuzz [S] fuzz every parser for S seconds each (default 20)
  soak     the ten-minute run that counts allocations and memory
  bench    every benchmark, beside its peers
  lint     clang-format and clang-tidy over the tree
  clean    remove build/ and out/
TEXT
}

# Installs the packages of a group of packages.txt that dpkg does not have.
need() {
  missing=""
  for package in $(sed -n "s/^$1: *//p" packages.txt); do
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
      missing="$missing $package"
  done
  [ -z "$missing" ] && return 0
  echo "installing:$missing"
  as_root=""
  [ "$(id -u)" = 0 ] || as_root="sudo"
  $as_root apt-get update -q
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends $missing
}

build() {
  cmake --preset "$1" ${2-} >"build-$1.log" 2>&1 || { cat "build-$1.log"; rm -f "build-$1.log"; exit 1; }
  rm -f "build-$1.log"
  cmake --build --preset "$1"
}

word=${1-help}
[ $# -gt 0 ] && shift
case "$word" in
  build)
    need build
    build release "-DGANTRY_TESTS=OFF -DGANTRY_BENCH=OFF" ;;
  help | -h | --help) usage ;;
  *) usage; exit 2 ;;
esac
