# shellcheck shell=bash
# A Python environment for tools that PyPI carries: this machine's Python, or Debian's when it has none to build on.

# The interpreter of the environment.
python_venv() {
    local venv
    # An environment outlives neither the move nor the upgrade of the Python it was made with.
    venv=$(cache_dir)/venv
    [ ! -d "$venv" ] || "$venv/bin/python" -m pip --version >/dev/null 2>&1 || rm -f "$venv/complete"
    venv=$(cached venv make_venv) || {
        note "no Python environment: $(why_not venv)"
        return 1
    }
    printf '%s/bin/python\n' "$venv"
}

make_venv() {
    local venv=$1 root wheel
    if python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))'; then
        python3 -m venv "$venv"
        return
    fi
    root=$(cached debian-python debian_programs usr/bin python3 python3-pip-whl) || {
        echo "this machine has no Python 3.10 or newer with venv (Debian: python3-venv), and Debian's could not be had:" \
            "$(why_not debian-python)"
        return 1
    }
    "$root/usr/bin/python3" -m venv --without-pip "$venv" || return 1
    wheel=$(find "$root/usr/share/python-wheels" -name 'pip-*.whl' | head -n 1)
    "$venv/bin/python" "$wheel/pip" install -q --no-index "$wheel"
}

# A tool from PyPI at one version: the environment's program of that name, installed when it is missing. What stands
# behind the three is for pip.
python_tool() {
    local package=$1 version=$2 program=$3 python
    shift 3
    python=$(python_venv) || return 1
    if ! "$python" -c 'import importlib.metadata as m, sys; sys.exit(m.version(sys.argv[1]) != sys.argv[2])' \
        "$package" "$version" 2>/dev/null; then
        note "installing $package $version from PyPI"
        "$python" -m pip install -q --disable-pip-version-check "$@" "$package==$version" >&2 || return 1
    fi
    printf '%s/%s\n' "${python%/*}" "$program"
}
