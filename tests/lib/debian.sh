# shellcheck shell=bash
# Programs of Debian trixie in a folder of their own: nothing is installed, no service is started, and it needs no
# root. The packages bring their own C library, so that they run on another release too: each program is started by
# their loader.

DEBIAN_RELEASE=trixie

# debian_programs FOLDER BIN PACKAGE...: fills the folder with the packages and what they need; the programs in
# FOLDER/BIN can be run from where they are.
debian_programs() {
    local root=$1 bin=$2
    shift 2
    if ! have apt-get || ! have dpkg-deb; then
        echo "this machine has no apt-get and dpkg-deb"
        return 1
    fi
    debian_download "$root" "$@" && start_by_loader "$root" "$bin"
}

# The mirrors this machine already uses, Debian's own and others that keep a folder for a Debian release.
debian_mirrors() {
    apt-get update --print-uris |
        sed -nE "s#^'(.*)/dists/(bookworm|trixie|forky|stable|testing|sid|unstable)/InRelease'.*#\1#p" | sort -u
}

# apt-get with lists, cache and status of its own. The machine's proxies and the like are kept, its hooks are not.
debian_apt() {
    local state=$1
    shift
    APT_CONFIG=$state/apt.conf apt-get -q -y "$@"
}

debian_download() {
    local root=$1 state=$1/apt keyring=/usr/share/keyrings/debian-archive-keyring.gpg signed='' mirror found='' deb
    shift
    mkdir -p "$state/lists/partial" "$state/archives/partial" || return 1
    : >"$state/status"
    {
        apt-config dump | grep -E '^Acquire::(http|https|ftp|Retries|ForceIPv4|ForceIPv6)'
        cat <<END
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::Etc::SourceList "$state/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "$state";
Dir::State::Lists "$state/lists";
Dir::State::Status "$state/status";
Dir::Cache "$state";
Dir::Cache::Archives "$state/archives";
Acquire::Languages "none";
Acquire::Retries "2";
APT::Sandbox::User "";
APT::Install-Recommends "false";
Debug::NoLocking "true";
END
    } >"$state/apt.conf"
    [ ! -r "$keyring" ] || signed="[signed-by=$keyring] "
    # A mirror that is not Debian's fails here, by its signature.
    while read -r mirror; do
        echo "deb $signed$mirror $DEBIAN_RELEASE main" >"$state/sources.list"
        if debian_apt "$state" -o APT::Update::Error-Mode=any update; then
            found=yes
            break
        fi
    done < <(debian_mirrors)
    if [ -z "$found" ]; then
        [ -s "$state/sources.list" ] || echo "apt's sources on this machine name no Debian mirror"
        return 1
    fi
    debian_apt "$state" --download-only install "$@" || return 1
    for deb in "$state"/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" |
            tar -x -C "$root" --no-same-owner --exclude='./usr/share/doc' --exclude='./usr/share/locale' \
                --exclude='./usr/share/man' || return 1
    done
    rm -rf "$state"
}

# A program looks for its files beside itself, so the wrapper takes its place and its name.
start_by_loader() {
    local root=$1 bin=$1/$2 loader libraries program
    loader=$(cd "$root" && find . -name 'ld-linux*.so.*' -type f | head -n 1)
    libraries=$(cd "$root" && find . -name libc.so.6 -printf '%h\n' | head -n 1)
    if [ -z "$loader" ] || [ -z "$libraries" ]; then
        echo "the packages hold no C library"
        return 1
    fi
    mkdir -p "$bin/elf"
    for program in "$bin"/*; do
        if [ -L "$program" ] || [ "$(head -c 4 "$program" 2>/dev/null | tail -c 3 | tr -d '\0')" != ELF ]; then
            continue
        fi
        mv "$program" "$bin/elf/" || return 1
        cat >"$program" <<END
#!/bin/sh
self=\$(readlink -f "\$0")
root=\${self%/$2/*}
exec "\$root/$loader" --library-path "\$root/$libraries" --argv0 "\$0" "\$root/$2/elf/${program##*/}" "\$@"
END
        chmod 755 "$program"
    done
}
