"""Entry point of ``python -m robomtl`` and ``accelerate launch -m robomtl``."""

import sys

from robomtl.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
