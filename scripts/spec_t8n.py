"""Makes state transitions with the executable specification (PyPI: ethereum-execution), one after another.

Reads a JSON array of t8n's arguments per line, and answers each with a line: 0, or what went wrong. Starting Python
once and not for every block saves most of the time.
"""

import json
import logging
import sys

from ethereum_spec_tools.evm_tools import main

# Rejected transactions are in the result; telling them again takes time.
logging.disable(logging.CRITICAL)


def transition(arguments):
    """Make one transition; return what to answer."""
    try:
        return str(main(["t8n", *arguments], out_file=sys.stderr))
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}".replace("\n", " ")


for line in sys.stdin:
    print(transition(json.loads(line)), flush=True)
