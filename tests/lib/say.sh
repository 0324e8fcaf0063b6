# shellcheck shell=bash
# Words for the person at the terminal. They go to stderr: stdout carries answers that other scripts read.

note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
    note "$*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" -eq 0 ]; }

# Where downloads that outlive one run are kept. Root's home is closed to the user the database runs as, so root
# keeps them outside it.
cache_dir() {
    if [ -n "${TEST_CACHE_DIR:-}" ]; then
        printf '%s\n' "$TEST_CACHE_DIR"
    elif is_root; then
        printf '/var/cache/pointsman-tests\n'
    else
        printf '%s/pointsman-tests\n' "${XDG_CACHE_HOME:-$HOME/.cache}"
    fi
}
