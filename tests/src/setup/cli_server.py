"""Runs commands of the AWS CLI, each in a fork of this process, which has loaded the CLI once.

Loading takes two thirds of the CPU time of a command. Prints the path of its socket, and ends when its stdin is closed.
"""

import ast
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import traceback

import awscli.botocore.client
import awscli.clidriver
import awscli.handlers


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = os.path.join(folder, "socket")
        listener.bind(path)
        listener.listen(64)
        print(path, flush=True)
        while True:
            readable, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in readable:
                return
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    answer(connection)


def answer(connection: socket.socket) -> None:
    """Run the command of a client, send its exit status, and end this process."""
    try:
        connection.send(bytes([run(connection)]))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def run(connection: socket.socket) -> int:
    """Run the command of a client, with its streams, folder and environment, and return its exit status."""
    call, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    while not call.endswith(b"\n"):
        call += connection.recv(1 << 20)
    threading.Thread(target=end_with_client, args=[connection], daemon=True).start()
    folder, arguments, environment = ast.literal_eval(call.decode())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    data = os.environ["AWS_DATA_PATH"]  # which the CLI has set while it was loaded
    os.environ.clear()
    os.environ.update(environment, AWS_DATA_PATH=data)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.argv = ["aws", *arguments]
    try:
        status = awscli.clidriver.main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def end_with_client(connection: socket.socket) -> None:
    """End this process as soon as the client has ended, for example because it was killed."""
    connection.recv(1)
    os._exit(1)


if __name__ == "__main__":
    main()
