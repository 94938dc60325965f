# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# Builds the programs, the function, and the function's zip file.

# Set $target to cargo's target folder.
find_target() {
    [[ -z ${target:-} ]] || return 0
    [[ ${CARGO_TARGET_DIR:-/} == /* ]] || CARGO_TARGET_DIR=$PWD/$CARGO_TARGET_DIR
    target=$(cd -- "$root" && cargo metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    [[ -n $target ]] || fail 'cargo metadata does not say where the target folder is: see its message above'
}

# Print a path, relative to the current folder if it is below it.
short() { printf '%s\n' "${1#"$PWD"/}"; } # PATH

# Build for this machine, in release: build_here PACKAGE...
build_here() {
    find_target
    say "building $* (release) ..."
    local packages=() package
    for package; do packages+=(-p "$package"); done
    run cargo_in_root build --release --locked "${packages[@]}" ||
        fail "cargo could not build $*: see its message above"
}

# Set $programs to the folder of the programs and $bootstrap to the function, for an emulator on this machine. Release
# builds are used if they are up to date. Otherwise the dev profile is built, which takes a third of the time; the
# tests then find their dependencies built.
build_for_emulator() {
    local missing=()
    find_target
    programs=$target/release
    if ! is_built "$programs/producer" || ! is_built "$programs/sender" || ! is_built "$programs/monitor"; then
        programs=$target/debug
        missing+=(producer sender monitor)
    fi
    bootstrap=$target/function/bootstrap
    if ! is_built "$bootstrap"; then
        bootstrap=$target/debug/bootstrap
        missing+=(bootstrap)
    fi
    ((${#missing[@]} == 0)) || build_unoptimised "${missing[@]}"
}

# All features of the workspace, as in its tests, so that nothing is compiled twice.
build_unoptimised() { # BINARIES...
    local binaries=() binary
    for binary; do binaries+=(--bin "$binary"); done
    say "building $* ..."
    run cargo_in_root build --locked --workspace "${binaries[@]}" ||
        fail "cargo could not build $*: see its message above"
}

# Whether a program is newer than all that it is built from.
is_built() { # PROGRAM
    [[ -x $1 && -z $(cd -- "$root" && find Cargo.toml Cargo.lock crates lambda -newer "$1" -print -quit) ]]
}

# Build the function for this machine, for an emulator that runs it as a process, and set $bootstrap.
build_function_here() {
    find_target
    say 'building stentor-aggregator (profile function) ...'
    run cargo_in_root build --profile function --locked -p stentor-aggregator ||
        fail 'cargo could not build stentor-aggregator: see its message above'
    bootstrap=$target/function/bootstrap
}

# Build the function for Lambda's system, on AWS or in a container, and set $bootstrap. cargo-lambda
# cross-compiles it, since this machine's C library may be newer than Lambda's.
build_for_lambda() { # ARCHITECTURE
    find_target
    local tools
    if ! cargo lambda --version >/dev/null 2>&1; then
        tools=$("$root/infra/local/install.sh" "$root/infra/aws/requirements.txt") || exit 1
        PATH=$tools/bin:$PATH
    fi
    say "building stentor-aggregator for Lambda ($1, profile function) ..."
    run cargo_in_root lambda build --profile function --locked "--${1/_/-}" -p stentor-aggregator ||
        fail 'cargo lambda could not build stentor-aggregator: see its message above'
    bootstrap=$target/lambda/bootstrap/bootstrap
}

print_function() {
    need_build_tools
    build_for_lambda "$(architecture_here)"
    printf '%s\n' "$bootstrap"
}

cargo_in_root() { # ARGUMENTS...
    cd -- "$root" || exit 1
    CARGO_TARGET_DIR=$target exec cargo "$@"
}

architecture_here() {
    case $(uname -m) in
        aarch64 | arm64) echo arm64 ;;
        *) echo x86_64 ;;
    esac
}

# Pack a bootstrap as the function's zip, with the same bytes for the same program, and print its SHA-256.
# It is the zip's key in S3, so that an update deploys exactly the changed code.
pack() { # BOOTSTRAP ZIP
    trap '' INT # packing is short, and Python would print a traceback
    "$venv/bin/python" - "$1" "$2" <<'PYTHON'
import hashlib, pathlib, sys, zipfile

bootstrap, package = map(pathlib.Path, sys.argv[1:])
entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
entry.create_system = 3  # Unix: the mode below counts
entry.external_attr = 0o100755 << 16
entry.compress_type = zipfile.ZIP_DEFLATED
with zipfile.ZipFile(package, "w") as archive:
    archive.writestr(entry, bootstrap.read_bytes())
print(hashlib.sha256(package.read_bytes()).hexdigest())
PYTHON
}
