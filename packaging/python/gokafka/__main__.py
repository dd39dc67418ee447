"""The command gokafka: the binary of this package with the same arguments."""

import os
import subprocess
import sys

from ._broker import binary


def main():
    command = [binary()] + sys.argv[1:]
    if sys.platform != "win32":
        os.execv(command[0], command)  # signals and the exit status are the binary's own
    try:
        sys.exit(subprocess.call(command))
    except KeyboardInterrupt:  # Ctrl-C went to the binary as well, which has ended by it
        sys.exit(130)


if __name__ == "__main__":
    main()
