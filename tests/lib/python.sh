# shellcheck shell=bash
# A Python environment for tools that PyPI carries. `python_venv` prints its interpreter.

# What the failing step needs, installed when we may and named when we may not.
debian_package() {
    if ! is_root || ! have apt-get; then
        note "Debian's $* must be there: apt-get install $*"
        return 1
    fi
    note "installing Debian's $*"
    local log
    log=$(mktemp)
    if ! {
        apt-get -q update &&
            DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"
    } >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

python_venv() {
    local venv
    venv=$(cache_dir)/venv
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        if ! python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then
            debian_package python3 python3-venv || return 1
        fi
        mkdir -p "$(cache_dir)" && rm -rf "$venv" && python3 -m venv "$venv" >&2 || return 1
    fi
    printf '%s/bin/python\n' "$venv"
}

# A tool from PyPI at one version: the environment's program of that name, installed when it is missing.
python_tool() {
    local package=$1 version=$2 program=$3 python
    python=$(python_venv) || return 1
    if ! "$python" -c 'import importlib.metadata as m, sys; sys.exit(m.version(sys.argv[1]) != sys.argv[2])' \
        "$package" "$version" 2>/dev/null; then
        note "installing $package $version from PyPI"
        "$python" -m pip install -q --disable-pip-version-check "$package==$version" >&2 || return 1
    fi
    printf '%s/%s\n' "${python%/*}" "$program"
}
