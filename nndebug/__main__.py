"""`python -m nndebug`."""

import sys

from .cli.main import main

sys.exit(main())
