#!/bin/sh
# gantry's front door: installs what is missing, builds, and does one thing.
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")"

usage() {
  cat <<'TEXT'
usage: ./do WORD
  build     install what is missing and build build/release/gantry
  demo      film 20 s of a simulated match into out/demo/
  test      every test: release build, format, sanitizers in short form (what the gate runs)
  quick     the tests of the release build alone
  asan      the tests under AddressSanitizer and UndefinedBehaviorSanitizer
  tsan      the threaded tests under ThreadSanitizer
  guest     the tests that need cameras and a display, in a guest that has them (tests/rig)
  faults [N]  every fault of the matrix N times (default 20) in the guest
  fuzz [S]  fuzz every parser for S seconds each (default 60)
  soak [S]  film for S seconds (default 600) and check allocations and memory
  long      the long forms of the slow tests
  bench     every benchmark, beside its peers
  image     make the flashable image and its update: build/image/gantry.img, gantry.raucb (as root)
  image-test  boot the image to its first picture in QEMU, and give it good and bad updates
  cross     build for aarch64 and run the unit tests in qemu-user (as root the first time)
  lint      clang-format and clang-tidy over the tree
  clean     remove build/ and out/
TEXT
}

# Installs the packages of the groups named that dpkg does not have.
need() {
  missing=""
  for group in "$@"; do
    for package in $(sed -n "s/^$group: *//p" packages.txt); do
      # A line for each architecture that it is installed for.
      dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
        missing="$missing $package"
    done
  done
  [ -z "$missing" ] && return 0
  echo "installing:$missing"
  as_root=""
  [ "$(id -u)" = 0 ] || as_root="sudo"
  $as_root apt-get update -q
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends $missing
}

# Configures and builds a preset; further arguments go to CMake.
build() {
  preset=$1
  shift
  mkdir -p "build/$preset"
  if ! cmake --preset "$preset" "$@" >"build/$preset/configure.log" 2>&1; then
    cat "build/$preset/configure.log"
    return 1
  fi
  cmake --build --preset "$preset"
}

# The engine that the network compiler is compared with; without npm those tests skip, saying so.
peers() {
  if ! command -v npm >/dev/null; then
    echo "no npm: the comparison with onnxruntime is skipped"
    return 0
  fi
  mkdir -p build/peers
  cp tests/peers/package.json tests/peers/package-lock.json build/peers/
  (cd build/peers && npm ci --ignore-scripts --no-audit --no-fund --silent) ||
    echo "npm failed: the comparison with onnxruntime is skipped"
}

# The project's own network for the demonstration's panorama.
demo_plan() {
  mkdir -p out/demo
  build/release/gantry compile firmware/models/gantry-1.onnx -o out/demo/gantry-1.plan --input-size 960x320 --batch 1
}

tests_of() {
  preset=$1
  shift
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j 2 -LE guest "$@"
}

word=${1-help}
[ $# -gt 0 ] && shift
case "$word" in
  build)
    need build
    build release ;;
  demo)
    need build
    build release -DGANTRY_TESTS=OFF -DGANTRY_BENCH=OFF
    demo_plan
    build/release/gantry run --config firmware/config/demo.toml ;;
  test)
    need build test lint
    peers
    build release -DGANTRY_TESTS=ON -DGANTRY_BENCH=ON
    tests_of release
    tests/check_format
    tests/sanitize_short ;;
  quick)
    need build test
    peers
    build release -DGANTRY_TESTS=ON -DGANTRY_BENCH=ON
    tests_of release ;;
  asan | tsan)
    need build test
    build "$word"
    tests_of "$word" ;;
  guest)
    need build test guest
    tests/rig/setup
    build release -DGANTRY_TESTS=ON -DGANTRY_BENCH=ON
    ctest --test-dir build/release --output-on-failure --no-tests=error -L guest ;;
  faults)
    need build test guest
    tests/rig/setup uml
    build release -DGANTRY_TESTS=ON -DGANTRY_BENCH=ON
    tests/fault_matrix "${1-20}" ;;
  fuzz)
    need build lint
    tests/fuzz/run "${1-60}" ;;
  soak)
    need build
    build release
    demo_plan
    tests/soak "${1-600}" ;;
  long)
    need build test
    peers
    build release -DGANTRY_TESTS=ON -DGANTRY_BENCH=ON
    GANTRY_LONG=1 ctest --test-dir build/release --output-on-failure -LE guest ;;
  bench)
    need build test
    peers
    build release -DGANTRY_TESTS=ON -DGANTRY_BENCH=ON
    demo_plan
    bench/run ;;
  image)
    need build image
    build release -DGANTRY_TESTS=OFF -DGANTRY_BENCH=OFF
    firmware/boot/make_image build/release/gantry ;;
  image-test)
    need build test image image-test
    tests/boot/check_updates
    tests/boot/boot_image build/image/gantry.img
    tests/boot/update_image build/image ;;
  cross)
    need make
    make -f Makefile.cross test ;;
  lint)
    need build test lint
    tests/check_format
    tests/tidy ;;
  clean) rm -rf build out ;;
  help | -h | --help) usage ;;
  *)
    usage
    exit 2 ;;
esac
