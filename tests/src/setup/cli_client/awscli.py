"""Passes a command of the AWS CLI to ../cli_server.py. `python -m awscli` runs this where PYTHONPATH is this folder."""

import os
import socket
import sys

if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ["AWSCLI_SERVER"])
        call = repr((os.getcwd(), sys.argv[1:], dict(os.environ)))
        socket.send_fds(server, [f"{call}\n".encode()], [0, 1, 2])
        status = server.recv(1)
    sys.exit(status[0] if status else "the AWS CLI ended without a status")
