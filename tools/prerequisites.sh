#!/bin/sh
# Installs the Debian packages that a purpose needs and the machine lacks, or names them and stops.
#
#   prerequisites.sh build|test|lint|fuzz PYTHON
#
# Each need is tested by what it gives (a header, an import, a command), not by the package's name, so that nothing is
# installed where something else provides it. Does nothing, quickly, when nothing is missing.
set -eu

purpose=$1
python=$2
missing=""
wished=""

need() { # need PACKAGE COMMAND...: the package is missing unless the command succeeds
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}

wish() { # wish PACKAGE COMMAND...: as need, but without it things are slower and no worse
  package=$1
  shift
  "$@" >/dev/null 2>&1 || wished="$wished $package"
}

header() { # header NAME: the compiler finds it
  echo "#include <$1>" | "${CXX:-g++}" -x c++ -std=c++20 -fsyntax-only -
}

# The newest clang++, with its version in its name or without; prints nothing if there is none.
clang() {
  command -v clang++ || ls /usr/bin/clang++-[0-9]* 2>/dev/null | sort -t- -k2 -n | tail -n 1
}

links_fuzzer() { # clang's runtime of libFuzzer and AddressSanitizer is a package of its own
  echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
    "$(clang)" -x c++ -fsanitize=fuzzer,address - -o /dev/null
}

python_header() { # Python.h beside the interpreter, wherever that came from
  [ -f "$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h" ]
}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
  echo "prerequisites: '$python' is not Python 3.10 or later; choose another with PYTHON=..." >&2
  exit 1
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# Debian splits its Python into packages; any other Python is whole or must be completed by whoever built it.
base=$("$python" -c 'import sys; print(sys.base_prefix)')

case $purpose in
  build)
    need g++ header concepts
    need "python$version-venv" "$python" -c 'import ensurepip, venv'
    need "python$version-dev" python_header
    need libxxhash-dev header xxhash.h
    ;;
  test)
    wish ccache ccache --version # the library is built three times, and again after each change
    wish pkgconf pkg-config --version # the C++ library is found by it too
    need libgtest-dev header gtest/gtest.h
    need "libpython$version-testsuite" "$python" -c 'import test.mapping_tests, test.list_tests, test.seq_tests'
    ;;
  lint)
    need clang-format clang-format --version
    ;;
  fuzz)
    need clang test -n "$(clang)"
    need libxxhash-dev header xxhash.h
    ;;
  *)
    echo "prerequisites: unknown purpose '$purpose'" >&2
    exit 2
    ;;
esac

# Installs what is in $missing, or names it and stops; installs what is in $wished where that can be done.
provide() {
  [ -n "$missing$wished" ] || return 0
  for package in $missing; do
    case $package in
      *python*)
        if [ "$base" != /usr ]; then
          echo "prerequisites: the Python in $base lacks what Debian calls $package; use a complete one: PYTHON=..." >&2
          exit 1
        fi
        ;;
    esac
  done

  if [ "$(id -u)" = 0 ]; then
    as_root=""
  elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
  else
    as_root="none"
  fi
  if [ "$as_root" = none ] || ! command -v apt-get >/dev/null; then
    # xxhash.h alone can be done without: CMake then takes it from the source of the Python package.
    if [ -z "$missing" ] || [ "$missing" = " libxxhash-dev" ]; then return 0; fi
    echo "prerequisites: please install:$missing" >&2
    echo "  apt-get install$missing" >&2
    exit 1
  fi

  echo "prerequisites: installing$missing$wished"
  # shellcheck disable=SC2086  # words are packages
  [ -z "$missing" ] || install $missing
  # shellcheck disable=SC2086
  [ -z "$wished" ] || install $wished 2>/dev/null || echo "prerequisites: going on without$wished"
  missing=""
  wished=""
}

install() { # install PACKAGE...: from the lists that are there, or from newer ones
  get="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq"
  set -- install -y --no-install-recommends "$@"
  $get "$@" >/dev/null 2>&1 || { $get update && $get "$@" >/dev/null; }
}

provide
if [ "$purpose" = fuzz ]; then
  # Named by the compiler's version: Debian 12 and later have it by itself, older ones with other files.
  version=$("$(clang)" -dumpversion | cut -d. -f1)
  runtime="libclang-rt-$version-dev"
  if command -v apt-cache >/dev/null && ! apt-cache show "$runtime" >/dev/null 2>&1; then
    runtime="libclang-common-$version-dev"
  fi
  need "$runtime" links_fuzzer
  provide
fi
