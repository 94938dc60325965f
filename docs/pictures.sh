#!/usr/bin/env bash
# Make the README's pictures anew, in this folder: the live view, the web page and the report of a real run.
#
#   docs/pictures.sh
#
# Needs what the tests need (see the README), Chromium and Node.js among it, and takes a minute once all is built.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
exec cargo run --locked -p stentor-tests --bin pictures
