"""`python -m plait` is the command `plait`, for where only an interpreter can be named."""

import sys

from plait.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
