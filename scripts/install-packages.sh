#!/usr/bin/env bash
# Installs the system packages that are missing, by name, through the system's package client. Installs nothing and
# asks nobody for rights where all is there.
#
#   install-packages.sh               what building and the demo need
#   install-packages.sh --with-tests  in addition what some tests use; they are skipped, loudly, where it is missing
#   install-packages.sh --with-model  in addition Java, for the model checker
set -euo pipefail

with_tests=false
with_model=false
case "${1:-}" in
"") ;;
--with-tests) with_tests=true ;;
--with-model) with_model=true ;;
*)
    echo "usage: $0 [--with-tests | --with-model]" >&2
    exit 2
    ;;
esac

warn() { printf '\n*** %s\n\n' "$*" >&2; }

has_command() { command -v "$1" >/dev/null 2>&1; }

# The demo's model and some tests live in private Python environments.
has_python_venv() { python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }

# On macOS a `java` that only says where to get one stands in the path.
has_java() { java -version >/dev/null 2>&1; }

if [ "$(uname -s)" = Darwin ]; then
    missing=()
    for library in libsodium libuv; do
        { has_command pkg-config && pkg-config --exists "$library"; } || missing+=("$library")
    done
    has_command pkg-config || missing+=(pkgconf)
    has_command python3 || missing+=(python3)
    [ "$with_model" = false ] || has_java || missing+=(openjdk)
    if [ ${#missing[@]} -gt 0 ]; then
        echo "Missing: ${missing[*]}. Install them with: brew install ${missing[*]}" >&2
        exit 1
    fi
    exit 0
fi

is_installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# install PACKAGE...: as root, or through sudo.
install() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        has_command sudo || return 1
        as_root=(sudo)
    fi
    echo "Installing: $*" >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2 && return 0
    # A machine that never fetched the lists, or did so long ago.
    "${as_root[@]}" apt-get update -q >&2 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2
}

if ! has_command apt-get; then
    for library in libsodium libuv; do
        { has_command pkg-config && pkg-config --exists "$library"; } && continue
        echo "$library is missing and this system has no apt-get: install its development package, and pkg-config, with" \
            "the package client you have." >&2
        exit 1
    done
    exit 0
fi

missing=()
for package in libsodium-dev libuv1-dev; do
    is_installed "$package" || missing+=("$package")
done
has_command pkg-config || missing+=(pkg-config)
has_python_venv || missing+=(python3-venv)
[ "$with_model" = false ] || has_java || missing+=(default-jre-headless)
if [ ${#missing[@]} -gt 0 ] && ! install "${missing[@]}"; then
    echo "These packages are needed and could not be installed: ${missing[*]}." \
        "Run 'apt-get install ${missing[*]}' as root, then try again." >&2
    exit 1
fi

if [ "$with_tests" = true ]; then
    wanted=()
    { has_command chromium || has_command chromium-browser || has_command google-chrome; } || wanted+=(chromium)
    has_command chromedriver || wanted+=(chromium-driver)
    [ -x /usr/sbin/ip ] || [ -x /sbin/ip ] || has_command ip || wanted+=(iproute2)
    [ -x /usr/sbin/iptables ] || [ -x /sbin/iptables ] || has_command iptables || wanted+=(iptables)
    has_command curl || wanted+=(curl)
    if [ ${#wanted[@]} -gt 0 ] && ! install "${wanted[@]}"; then
        # One that cannot be had must not keep the others away.
        failed=()
        for package in "${wanted[@]}"; do install "$package" || failed+=("$package"); done
        if [ ${#failed[@]} -gt 0 ]; then
            warn "Not installed: ${failed[*]}. The tests that use them will be SKIPPED." \
                "To run them: apt-get install ${failed[*]}"
        fi
    fi
fi
