# shellcheck shell=bash
# Downloads that outlive one run.

# Root's home is closed to the user that a database runs as, so root keeps them outside it.
cache_dir() {
    if [ -n "${TEST_CACHE_DIR:-}" ]; then
        printf '%s\n' "$TEST_CACHE_DIR"
    elif is_root; then
        printf '/var/cache/pointsman-tests\n'
    else
        printf '%s/pointsman-tests\n' "${XDG_CACHE_HOME:-$HOME/.cache}"
    fi
}

# cached NAME FUNCTION ARGUMENT...: the folder NAME of the cache, which FUNCTION fills when it is missing. It is
# called with the new folder and the arguments, once at a time over all processes; its words go to NAME.log.
cached() {
    local name=$1 cache
    cache=$(cache_dir)
    shift
    if [ ! -f "$cache/$name/complete" ]; then
        mkdir -p "$cache" 2>/dev/null || return 1
        (
            ! have flock || flock 9
            [ -f "$cache/$name/complete" ] || fill "$cache/$name" "$@"
        ) 9>"$cache/$name.lock" >"$cache/$name.log" 2>&1 </dev/null || return 1
    fi
    printf '%s/%s\n' "$cache" "$name"
}

fill() {
    local folder=$1 function=$2
    shift 2
    rm -rf "$folder"
    mkdir -p -m 755 "$folder" && "$function" "$folder" "$@" && touch "$folder/complete"
}

# Why the cache's folder NAME could not be filled: the last line of its log.
why_not() {
    local log
    log=$(cache_dir)/$1.log
    if [ -s "$log" ]; then
        printf '%s (whole log: %s)' "$(grep -v '^ *$' "$log" | tail -n 1)" "$log"
    else
        printf 'nothing could be written to %s' "$log"
    fi
}
