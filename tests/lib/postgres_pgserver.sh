# shellcheck shell=bash
# The PostgreSQL inside PyPI's pgserver: 16.2 with vector, without the contrib modules. The wheel is only unpacked;
# its Python code is not run, so any Python 3 will do.

PGSERVER=0.1.4
PGSERVER_PYTHON=3.12

pgserver_postgres() {
    fetch_once pgserver fetch_pgserver || return 1
    printf '%s/pgserver-%s/pgserver/pginstall/bin\n' "$(cache_dir)" "$PGSERVER"
}

fetch_pgserver() {
    local root new
    root=$(cache_dir)/pgserver-$PGSERVER
    [ -f "$root/complete" ] && return
    new=$(mktemp -d "$root.XXXXXX") || return 1
    chmod 755 "$new"
    if unpack_pgserver "$new" && touch "$new/complete"; then
        rm -rf "$root" && mv "$new" "$root"
    else
        rm -rf "$new"
        return 1
    fi
}

unpack_pgserver() {
    local root=$1 python
    python=$(python_venv) || return 1
    "$python" -m pip download -q --no-deps --only-binary=:all: --python-version "$PGSERVER_PYTHON" \
        -d "$root/wheel" "pgserver==$PGSERVER" || return 1
    "$python" -m zipfile -e "$root"/wheel/*.whl "$root" || return 1
    rm -rf "$root/wheel"
    chmod 755 "$root"/pgserver/pginstall/bin/*
    "$root/pgserver/pginstall/bin/postgres" --version
}
