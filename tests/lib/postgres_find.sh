# shellcheck shell=bash
# Which PostgreSQL the tests use. `find_postgres` prints the folder of its programs; when there is none to be had it
# says for each way why not, and fails.

DEBIAN_POSTGRES=17
# The wheel is only unpacked; its Python code is not run, so any Python will do.
PGSERVER=0.1.4
PGSERVER_PYTHON=3.12

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
        [ ! -x "$place/postgres" ] || printf '%s\n' "$place"
    done | sort -Vr
}

# Debian's PostgreSQL, from a machine that may run another release of it.
debian_postgres() {
    local root
    root=$(cached debian-postgres debian_programs "usr/lib/postgresql/$DEBIAN_POSTGRES/bin" \
        "postgresql-$DEBIAN_POSTGRES" "postgresql-$DEBIAN_POSTGRES-pgvector") || return 1
    printf '%s/usr/lib/postgresql/%s/bin\n' "$root" "$DEBIAN_POSTGRES"
}

# The PostgreSQL inside PyPI's pgserver: 16.2 with vector, without the contrib modules.
pgserver_postgres() {
    local root
    root=$(cached "pgserver-$PGSERVER" unpack_pgserver) || return 1
    printf '%s/pgserver/pginstall/bin\n' "$root"
}

unpack_pgserver() {
    local root=$1 python
    python=$(python_venv) || return 1
    "$python" -m pip download -q --no-deps --only-binary=:all: --python-version "$PGSERVER_PYTHON" \
        -d "$root/wheel" "pgserver==$PGSERVER" || return 1
    "$python" -m zipfile -e "$root"/wheel/*.whl "$root" || return 1
    rm -rf "$root/wheel"
    chmod 755 "$root"/pgserver/pginstall/bin/*
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

    if ! bin=$(debian_postgres); then
        refuse "Debian's postgresql-$DEBIAN_POSTGRES: $(why_not debian-postgres)"
    elif postgres_has "$bin" vector pg_trgm; then
        printf '%s\n' "$bin"
        return
    fi

    if ! bin=$(pgserver_postgres); then
        refuse "PyPI's pgserver: $(why_not "pgserver-$PGSERVER")"
    elif postgres_has "$bin" vector; then
        note "this PostgreSQL has no pg_trgm: it comes from PyPI's pgserver, the last resort"
        printf '%s\n' "$bin"
        return
    fi

    note "no PostgreSQL could be had for the tests. Set TEST_POSTGRES_DSN to one, or install one with vector and"
    note "pg_trgm (Debian trixie: postgresql-$DEBIAN_POSTGRES postgresql-$DEBIAN_POSTGRES-pgvector). What was tried:"
    printf '  - %s\n' "${reasons[@]}" >&2
    return 1
}
