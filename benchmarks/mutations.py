"""How many systematic mistakes the rules catch: each part of what `qual` deploys, changed alone.

Those that no rule minds are printed; `tests/policies/mutating.py` makes them.

    python -m benchmarks.mutations [COUNT]      a seeded sample of so many, all of them without
"""

import random
import sys

from policies import judge_stack
from policies.registry import rules
from tests.policies.mutating import Mutation, mutations
from tests.policies.planting import deployed


def main() -> None:
    """Judge the mutations and print those that pass."""
    stack = deployed()
    chosen = list(mutations(stack))
    if len(sys.argv) > 1:
        chosen = random.Random(15).sample(chosen, int(sys.argv[1]))
    passed: list[Mutation] = []
    for mutation in chosen:
        if not judge_stack(mutation.plant(stack)).violations:
            passed.append(mutation)
            print(f"  passed  {mutation}", flush=True)
    caught = len(chosen) - len(passed)
    print(f"{caught} of {len(chosen)} caught by {len(rules())} rules: {caught / len(chosen):.1%}")


if __name__ == "__main__":
    main()
