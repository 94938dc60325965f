# shellcheck shell=bash disable=SC2154 # variables are shared with setup.sh and its other parts
# What builds and local emulators need from this machine. It is checked before anything is built or installed.

# Fail with all that is missing, a line for each with the command that installs it.
need_build_tools() {
    local line missing=()
    mapfile -t missing < <(
        print_missing_rust
        print_missing_compiler
        "$root/infra/local/install.sh" --missing
    )
    ((${#missing[@]})) || return 0
    for line in "${missing[@]}"; do say "setup.sh: missing: $line"; done
    say 'Install what is missing, then run this again.'
    exit 1
}

print_missing_rust() {
    local wanted found update="curl --proto '=https' -sSf https://sh.rustup.rs | sh"
    wanted=$(rust_version)
    found=$(cargo --version 2>/dev/null) || found=
    [[ $found =~ ^cargo\ ([0-9]+)\.([0-9]+) ]] &&
        ((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] >= ${wanted%.*} * 1000 + ${wanted#*.})) && return
    ! command -v rustup >/dev/null || update='rustup update stable && rustup default stable'
    printf '%s\n' "Rust $wanted or newer${found:+ (this is $found)}: Debian, Ubuntu, Fedora, macOS: $update"
}

# Print the workspace's rust-version, such as 1.95.
rust_version() {
    [[ $(<"$root/Cargo.toml") =~ rust-version\ =\ \"([0-9]+\.[0-9]+)\" ]]
    printf '%s\n' "${BASH_REMATCH[1]}"
}

# Rust links with `cc`, and crates compile C against the C library's headers.
print_missing_compiler() {
    cc -fsyntax-only -x c - <<<'#include <stdlib.h>' >/dev/null 2>&1 ||
        printf '%s\n' 'a C compiler: Debian, Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install gcc; macOS: xcode-select --install'
}
