#!/usr/bin/env bash
# Make the pictures of the README and the guide, in this folder: the live view, the web page and the report of a real run.
#
#   docs/pictures.sh
#
# Needs what the tests need (see the README), and takes a minute once all is built. The pinned Chromium has only the font
# Open Sans; STENTOR_CHROMIUM=/path/to/chromium names another, which uses the fonts of the machine.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
exec cargo run --locked --bin pictures
