"""`python -m addax`; the commands are in `cli/`."""

import sys

from addax.cli import main

if __name__ == "__main__":
    sys.exit(main())
