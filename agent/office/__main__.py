"""`python -m agent.office`: IT's desk, which `sekisho policy` and `sekisho apps` become."""

import sys

from agent.office import inventory, policy


def main() -> int:
    """Hand what follows the first words to the part of the desk that they name."""
    match sys.argv[1:]:
        case ["policy", *words]:
            return policy.main(words)
        case ["apps", "inventory", *words]:
            return inventory.main(words)
        case _:
            print("usage: sekisho policy ... | sekisho apps inventory ...", file=sys.stderr)
            return WRONG_USAGE


WRONG_USAGE = 2

if __name__ == "__main__":
    sys.exit(main())
