# shellcheck shell=bash
# Sourced by scripts that call this machine or start what does: adds it to the hosts that are called without a proxy.
# curl, pip and Python read the variable in small letters first, others only that in capitals. `*` is valid only alone.
loopback='localhost,127.0.0.1,::1,[::1]'
NO_PROXY=${no_proxy:-${NO_PROXY:-}}
[[ $NO_PROXY == '*' || $NO_PROXY == *"$loopback" ]] || NO_PROXY=${NO_PROXY:+$NO_PROXY,}$loopback
export NO_PROXY no_proxy=$NO_PROXY
