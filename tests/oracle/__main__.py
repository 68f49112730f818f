"""`./dev oracle WHAT …`, which describes it: each has a command line of its own."""

import sys

from oracle import command
from oracle.grants import command as grants
from oracle.records import command as records

if __name__ == "__main__":
    sys.exit({"events": command.main, "grants": grants.main, "records": records.main}[sys.argv[1]]())
