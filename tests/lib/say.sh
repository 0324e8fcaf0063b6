# shellcheck shell=bash
# Words for the person at the terminal. They go to stderr: stdout carries answers that other scripts read.

note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
    note "$*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" -eq 0 ]; }
