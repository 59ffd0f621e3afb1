"""A registry that does one thing wrong at a time: python3 faulty_registry.py PORT STRANGER_PORT DIRECTORY
(--list names the faults, a line each: name, and what a client must do: ok, fail or safe)

The first part of a repository's name chooses the fault: PORT/FAULT/image:1. Every fault has an image of its own.
STRANGER_PORT is another host, which gives whatever it is asked for. What either is asked for is a line of
DIRECTORY/log: "home" or "stranger", method, path, Authorization. Tokens and the password contain "CANARY".
ok: the command succeeds. fail: one clear error, and nothing named. safe: either. Never a canary to the stranger.
"""
import pathlib
import sys
import threading

import faults_of_answers  # noqa: F401  they add themselves
import faults_of_contents  # noqa: F401
import faults_of_uploads  # noqa: F401
from faulty_server import FAULTS, Server

if sys.argv[1] == "--list":
    for name, (must, _, _) in FAULTS.items():
        if must:
            print(name, must)
    sys.exit()
home_port, stranger_port, log = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3]) / "log"
log.touch()
home = Server(home_port, stranger_port, log)
stranger = Server(stranger_port, home_port, log, is_stranger=True)
stranger.images, stranger.known = home.images, home.known
threading.Thread(target=stranger.serve_forever, daemon=True).start()
home.serve_forever()
