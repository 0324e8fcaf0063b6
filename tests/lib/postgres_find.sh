# shellcheck shell=bash
# Which PostgreSQL the tests use. `find_postgres` prints the folder of its programs; when there is none to be had it
# says for each way why not, and fails.

reasons=()
refuse() { reasons+=("$1"); }

# The folder holds a server, and its extensions include all that are named.
postgres_has() {
    local bin=$1 program extension share
    shift
    for program in initdb pg_ctl postgres pg_config psql; do
        if [ ! -x "$bin/$program" ]; then
            refuse "$bin has no $program"
            return 1
        fi
    done
    share=$("$bin/pg_config" --sharedir) || return 1
    for extension in "$@"; do
        if [ ! -f "$share/extension/$extension.control" ]; then
            refuse "$bin: the extension $extension is not installed in $share/extension"
            return 1
        fi
    done
}

# Folders of PostgreSQL programs on this machine: the one on the PATH first, then the newest of each place.
installed_postgres() {
    if have pg_config; then
        pg_config --bindir
    fi
    local places=(/usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/*/bin /opt/*/*/bin
        /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin
        /home/linuxbrew/.linuxbrew/opt/postgresql*/bin /usr/local/pgsql/bin)
    local place
    for place in "${places[@]}"; do
        [ -x "$place/postgres" ] && printf '%s\n' "$place"
    done | sort -Vr
}

find_postgres() {
    local bin seen=0
    if [ -n "${TEST_POSTGRES_BIN:-}" ]; then
        if postgres_has "$TEST_POSTGRES_BIN"; then
            printf '%s\n' "$TEST_POSTGRES_BIN"
            return
        fi
        die "TEST_POSTGRES_BIN=$TEST_POSTGRES_BIN is no PostgreSQL: ${reasons[*]}"
    fi
    while read -r bin; do
        seen=1
        if postgres_has "$bin" vector pg_trgm; then
            printf '%s\n' "$bin"
            return
        fi
    done < <(installed_postgres | awk '!seen[$0]++')
    [ "$seen" = 1 ] || refuse "no PostgreSQL is installed on this machine"

    if bin=$(debian_postgres) && postgres_has "$bin" vector pg_trgm; then
        printf '%s\n' "$bin"
        return
    fi
    refuse "Debian's postgresql-$DEBIAN_POSTGRES: $(last_words debian-postgres)"

    if bin=$(pgserver_postgres) && postgres_has "$bin" vector; then
        note "this PostgreSQL has no pg_trgm: it comes from PyPI's pgserver, the last resort"
        printf '%s\n' "$bin"
        return
    fi
    refuse "PyPI's pgserver: $(last_words pgserver)"

    note "no PostgreSQL could be had for the tests. Set TEST_POSTGRES_DSN to one, or install one with vector and"
    note "pg_trgm (Debian trixie: postgresql-$DEBIAN_POSTGRES postgresql-$DEBIAN_POSTGRES-pgvector). What was tried:"
    printf '  - %s\n' "${reasons[@]}" >&2
    return 1
}

# One log per way of getting a PostgreSQL, so that the last resort's failure does not hide the first one's.
way_log() { printf '%s/%s.log\n' "$(cache_dir)" "$1"; }

last_words() {
    local log
    log=$(way_log "$1")
    if [ -s "$log" ]; then
        printf '%s (whole log: %s)' "$(grep -v '^ *$' "$log" | tail -n 1)" "$log"
    else
        printf 'nothing could be written to %s' "$log"
    fi
}

# Runs a function once at a time over all processes of this user, its words in the way's log.
fetch_once() {
    local way=$1 function=$2 log
    mkdir -p "$(cache_dir)" 2>/dev/null || return 1
    log=$(way_log "$way")
    (
        ! have flock || flock 9
        "$function"
    ) 9>"$(cache_dir)/$way.lock" >"$log" 2>&1
}
