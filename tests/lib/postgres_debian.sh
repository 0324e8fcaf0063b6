# shellcheck shell=bash
# Debian trixie's PostgreSQL in a folder of its own: nothing is installed, no service is started, and it needs no
# root. On another release the packages bring their own C library, so each program is started by their loader.

DEBIAN_POSTGRES=17
DEBIAN_RELEASE=trixie

debian_postgres() {
    local root
    root=$(cache_dir)/debian-$DEBIAN_RELEASE
    fetch_once debian-postgres fetch_debian_postgres || return 1
    printf '%s/usr/lib/postgresql/%s/bin\n' "$root" "$DEBIAN_POSTGRES"
}

fetch_debian_postgres() {
    local root new
    root=$(cache_dir)/debian-$DEBIAN_RELEASE
    [ -f "$root/complete" ] && return
    if ! have apt-get || ! have dpkg-deb; then
        echo "this machine has no apt-get and dpkg-deb"
        return 1
    fi
    new=$(mktemp -d "$root.XXXXXX") || return 1
    chmod 755 "$new"
    if download_debian_postgres "$new" && start_by_loader "$new" && touch "$new/complete"; then
        rm -rf "$root" && mv "$new" "$root"
    else
        rm -rf "$new"
        return 1
    fi
}

# The mirror this machine already uses for Debian itself.
debian_mirror() {
    # shellcheck disable=SC2016 # the names are apt's, not the shell's
    apt-get indextargets --format '$(LABEL)|$(COMPONENT)|$(RELEASE)|$(REPO_URI)' 'Created-By: Packages' |
        awk -F'|' '$2 == "main" && ($1 == "Debian" || $3 ~ /^(bookworm|trixie|forky|sid|stable|testing|unstable)$/) { print $4; exit }'
}

# apt-get with lists, cache and status of its own. The machine's proxies and the like are kept, its hooks are not.
apt_in() {
    local state=$1
    shift
    APT_CONFIG=$state/apt.conf apt-get -q -y "$@"
}

download_debian_postgres() {
    local root=$1 state=$1/apt mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg signed='' deb
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || {
        echo "apt's sources on this machine name no Debian mirror"
        return 1
    }
    mkdir -p "$state/lists/partial" "$state/archives/partial" || return 1
    [ -r "$keyring" ] && signed="[signed-by=$keyring] "
    echo "deb $signed$mirror $DEBIAN_RELEASE main" >"$state/sources.list"
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
    apt_in "$state" -o APT::Update::Error-Mode=any update || return 1
    apt_in "$state" --download-only install \
        "postgresql-$DEBIAN_POSTGRES" "postgresql-$DEBIAN_POSTGRES-pgvector" || return 1
    for deb in "$state"/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" |
            tar -x -C "$root" --no-same-owner --wildcards './usr/lib*' './usr/share/postgresql*' './lib*' 2>/dev/null
    done
    rm -rf "$state"
}

# Programs look for their files beside themselves, so the wrapper takes the program's place and name.
start_by_loader() {
    local root=$1 bin=$1/usr/lib/postgresql/$DEBIAN_POSTGRES/bin loader program
    loader=$(find "$root" -name 'ld-linux*.so.*' -type f | head -n 1)
    [ -n "$loader" ] || {
        echo "the packages hold no loader (ld-linux)"
        return 1
    }
    loader=${loader#"$root"}
    mkdir -p "$bin/elf"
    for program in "$bin"/*; do
        [ "$(head -c 4 "$program" 2>/dev/null | tail -c 3)" = ELF ] || continue
        mv "$program" "$bin/elf/"
        cat >"$program" <<END
#!/bin/sh
bin=\$(cd "\$(dirname "\$0")" && pwd -P) || exit 1
root=\${bin%/usr/lib/postgresql/*}
libraries=\${root}$(cd "$root" && find . -name libc.so.6 -printf '%h\n' | head -n 1 | sed 's/^\.//')
exec "\$root$loader" --library-path "\$libraries" --argv0 "\$bin/${program##*/}" "\$bin/elf/${program##*/}" "\$@"
END
        chmod 755 "$program"
    done
    "$bin/postgres" --version
}
