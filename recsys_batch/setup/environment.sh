#!/bin/sh
# Make the environment: a Python 3.11 to 3.13, a virtual environment, and exactly what the committed
# lock files name, checked by hash. `make` calls this; run twice it changes nothing.
#
#   sh recsys_batch/setup/environment.sh VENV
#
# $PYTHON names the Python to use. pip's own settings (index, certificate) hold for uv as well.
set -eu

venv=$1
locks=recsys_batch/setup/bootstrap.txt

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 3
}

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1
}

has_venv() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

may_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

apt_install() {
    echo "Installing $* ..."
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
        --no-install-recommends "$@"; } </dev/null || fail "apt-get could not install $*; install it and run make again."
}

# Leaves the Python in $python, empty where there is none.
find_python() {
    python=
    for each in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if fits "$each"; then
            python=$each
            return
        elif [ "$each" = "${PYTHON:-}" ]; then
            fail "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13 that runs; name one that is."
        fi
    done
}

# The value of a pip setting, from the environment or pip's configuration files.
pip_setting() {
    "$venv/bin/python" -m pip config list 2>/dev/null |
        sed -nE "s/^(:env:|install|global)\.$1='(.*)'\$/\2/p" | head -n 1
}

# uv does not read pip's settings, and a person has set them once already.
export_pip_settings() {
    for pair in index-url:UV_DEFAULT_INDEX extra-index-url:UV_INDEX find-links:UV_FIND_LINKS \
        cert:SSL_CERT_FILE default-timeout:UV_HTTP_TIMEOUT; do
        name=${pair#*:}
        eval "already=\${$name:-}"
        value=$(pip_setting "${pair%%:*}")
        case $value in
        /*) [ -e "$value" ] || value= ;; # pip passes over a folder that is not there, uv does not
        esac
        if [ -z "$already" ] && [ -n "$value" ]; then
            export "$name=$value"
        fi
    done
}

find_python
if [ -z "$python" ] && may_install; then
    apt_install python3 python3-venv
    find_python
fi
[ -n "$python" ] || fail "no Python 3.11, 3.12 or 3.13 was found (python3 is" \
    "$(python3 --version 2>&1 | head -n 1)); install one, or name it as in \`make run PYTHON=/path/to/python3.12\`."

if ! { [ -x "$venv/bin/python" ] && fits "$venv/bin/python" &&
    "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
    if ! has_venv "$python"; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        may_install || fail "$python has no venv module; install it (on Debian: sudo apt-get install -y $package) and run make again."
        apt_install "$package"
    fi
    echo "Making $venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv"
fi

echo "Installing the build tools of $locks ..."
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$locks" ||
    fail "pip could not install $locks; check the network and pip's settings (pip config list), then run make again."

export_pip_settings
export VIRTUAL_ENV="$venv"
echo "Installing requirements.lock (about 250 packages, 2 GB unpacked) ..."
# pyspark comes as a source archive: the locked setuptools builds it, not the newest one.
"$venv/bin/uv" pip install --require-hashes --no-build-isolation-package pyspark \
    -r requirements.lock ||
    fail "uv could not install requirements.lock; check the network and pip's settings (pip config list), then run make again."
"$venv/bin/uv" pip install --quiet --no-deps --no-build-isolation --editable . ||
    fail "the project itself could not be installed into $venv; remove $venv and run make again."
