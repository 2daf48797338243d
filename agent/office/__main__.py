"""`python -m agent.office`: IT's desk for policies."""

import sys

from agent.office.policy import main

sys.exit(main())
