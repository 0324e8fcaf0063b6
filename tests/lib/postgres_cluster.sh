# shellcheck shell=bash
# A throwaway cluster in a folder: PG_DIR/pg.env describes it, PG_DIR/data is its data, PG_DIR/postgres.log its log.

PG_ROLE=pointsman

# PostgreSQL refuses to run as root, so root hands the cluster to another user.
cluster_user() {
    local user
    if ! is_root; then
        id -un
        return
    fi
    for user in postgres nobody; do
        if id -u "$user" >/dev/null 2>&1; then
            printf '%s\n' "$user"
            return
        fi
    done
    die "PostgreSQL does not run as root, and this machine has neither the user postgres nor nobody"
}

as_cluster_user() {
    if ! is_root; then
        "$@"
    elif have setpriv; then
        setpriv --reuid "$(id -u "$PG_OS_USER")" --regid "$(id -g "$PG_OS_USER")" --clear-groups -- "$@"
    elif have runuser; then
        runuser -u "$PG_OS_USER" -- "$@"
    else
        su -s /bin/sh "$PG_OS_USER" -c "$(printf '%q ' "$@")"
    fi
}

# Folders above must let the cluster's user through; programs must be readable to it.
check_reach() {
    as_cluster_user test -x "$PG_DIR" ||
        die "the user $PG_OS_USER cannot reach $PG_DIR: a folder above it is closed. Give a folder that others may enter"
    as_cluster_user test -x "$PG_BIN/postgres" ||
        die "the user $PG_OS_USER cannot run $PG_BIN/postgres: a folder above it is closed. Set TEST_CACHE_DIR elsewhere"
}

load_cluster() {
    [ -f "$PG_DIR/pg.env" ] || die "$PG_DIR holds no cluster (no pg.env)"
    # shellcheck source=/dev/null
    . "$PG_DIR/pg.env"
}

save_cluster() {
    local name
    for name in PG_BIN PG_DATA PG_OS_USER PG_USER PG_PASSWORD PG_HOST PG_PORT PG_DSN; do
        printf '%s=%q\n' "$name" "${!name}"
    done >"$PG_DIR/pg.env"
    chmod 600 "$PG_DIR/pg.env"
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Below the range that the system hands to outgoing connections.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        if port_is_free "$port"; then
            printf '%s\n' "$port"
            return
        fi
    done
}

# A collation other than C where the build can, as most databases have one: a query that counts on bytewise order
# without saying so fails here.
locale_options() {
    if "$PG_BIN/pg_config" --configure | grep -q -- with-icu; then
        printf '%s\n' --locale=C --locale-provider=icu --icu-locale=en-US
    else
        printf '%s\n' --locale=C
    fi
}

create_cluster() {
    local options
    PG_BIN=$(find_postgres) || exit 1
    PG_OS_USER=$(cluster_user) || exit 1
    mkdir -p "$PG_DIR" || exit 1
    is_root && chown "$PG_OS_USER" "$PG_DIR"
    check_reach
    PG_DATA=$PG_DIR/data
    PG_USER=$PG_ROLE
    PG_HOST=127.0.0.1
    PG_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s\n' "$PG_PASSWORD" >"$PG_DIR/password"
    is_root && chown "$PG_OS_USER" "$PG_DIR/password"
    chmod 600 "$PG_DIR/password"
    mapfile -t options < <(locale_options)
    as_cluster_user "$PG_BIN/initdb" -D "$PG_DATA" -U "$PG_USER" --pwfile="$PG_DIR/password" \
        --auth=password --encoding=UTF8 --no-sync "${options[@]}" >"$PG_DIR/initdb.log" 2>&1 ||
        die "initdb failed: $(tail -n 3 "$PG_DIR/initdb.log")"
    rm -f "$PG_DIR/password"
    local sockets=$PG_DIR
    [ "${#sockets}" -le 80 ] || sockets=''
    as_cluster_user tee -a "$PG_DATA/postgresql.conf" >/dev/null <<END
listen_addresses = '$PG_HOST'
unix_socket_directories = '$sockets'
max_connections = 200
fsync = on
END
}

# Starts the server on its port; a fresh cluster tries others while the port turns out to be taken.
run_cluster() {
    local tries=$1
    while :; do
        if as_cluster_user "$PG_BIN/pg_ctl" start -s -w -t 60 -D "$PG_DATA" -l "$PG_DATA/../postgres.log" \
            -o "-p $PG_PORT" </dev/null >&2; then
            return
        fi
        tries=$((tries - 1))
        if [ "$tries" -le 0 ] || port_is_free "$PG_PORT"; then
            break
        fi
        PG_PORT=$(free_port)
    done
    die "PostgreSQL did not start: $(tail -n 5 "$PG_DIR/postgres.log")"
}

start_cluster() {
    local tries=1
    if [ -f "$PG_DIR/pg.env" ]; then
        load_cluster
    else
        create_cluster
        PG_PORT=$(free_port)
        tries=10
    fi
    first_pid >/dev/null || run_cluster "$tries"
    PG_DSN=postgres://$PG_USER:$PG_PASSWORD@$PG_HOST:$PG_PORT/postgres
    save_cluster
    printf '%s\n' "$PG_DSN"
}

# The server's first process. Its number may have passed to another process since it ended, so it must also stand
# in the data folder.
first_pid() {
    local first
    first=$(head -n 1 "$PG_DATA/postmaster.pid" 2>/dev/null) || return 1
    is_alive "$first" || return 1
    if [ -d /proc/self ]; then
        [ "/proc/$first/cwd" -ef "$PG_DATA" ] || return 1
    else
        ps -o args= -p "$first" | grep -qF "$PG_DATA" || return 1
    fi
    printf '%s\n' "$first"
}

# A process that ended and was not yet collected by its parent does not live.
is_alive() {
    kill -0 "$1" 2>/dev/null && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}

# The first process and its children; PostgreSQL has no grandchildren.
cluster_pids() {
    local first
    first=$(first_pid) || return 0
    printf '%s\n' "$first"
    if [ -d /proc/self ]; then
        awk -v first="$first" '/^Pid:/ { pid = $2 } /^PPid:/ && $2 == first { print pid }' \
            /proc/[0-9]*/status 2>/dev/null || true
    else
        ps -axo pid=,ppid= | awk -v first="$first" '$2 == first { print $1 }'
    fi
}

# The first process is stopped before its children are counted, so that it makes no more of them. A child that
# ended meanwhile is no failure.
signal_cluster() {
    local first pids
    first=$(first_pid) || return 0
    kill -s STOP "$first"
    mapfile -t pids < <(cluster_pids)
    kill -s "$1" "${pids[@]}" 2>/dev/null || true
}

stop_cluster() {
    first_pid >/dev/null || return 0
    signal_cluster CONT
    if ! as_cluster_user "$PG_BIN/pg_ctl" stop -s -w -t 20 -m "$1" -D "$PG_DATA" >&2; then
        note "the cluster in $PG_DIR did not stop in mode $1; it is killed"
        kill_cluster
    fi
}

# As a power cut would, but for the disk: every process ends at once and writes nothing more.
kill_cluster() {
    local pids pid tries=0
    mapfile -t pids < <(cluster_pids)
    signal_cluster KILL
    for pid in "${pids[@]}"; do
        while is_alive "$pid"; do
            tries=$((tries + 1))
            [ "$tries" -lt 200 ] || die "process $pid of the cluster in $PG_DIR does not end"
            sleep 0.05
        done
    done
    # Where nobody collects dead processes, their numbers stay taken and would pass for a running server.
    if ! first_pid >/dev/null; then
        rm -f "$PG_DATA/postmaster.pid" "$PG_DIR"/.s.PGSQL.*
    fi
}
