"""python3 -m netvip."""

import sys

from netvip.cli import main

sys.exit(main())
