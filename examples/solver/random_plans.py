#!/usr/bin/env python3
"""A solver as a program: the best of many random plans. It needs nothing of Plait but the two JSON formats.

plait select problem.json --solver "exec:python3 random_plans.py --plans 2000"
"""

import argparse
import json
import random
import sys

INFINITY = float("inf")


def shortest(costs):
    """Costs of the cheapest chains of conversions; None stands for a conversion that does not exist."""
    chains = [[INFINITY if cost is None else cost for cost in row] for row in costs]
    formats = range(len(chains))
    for middle in formats:
        for a in formats:
            for b in formats:
                chains[a][b] = min(chains[a][b], chains[a][middle] + chains[middle][b])
    return chains


def price(problem, chains, plan):
    """Cost of a plan when each use pays its own chain: at least what it costs where uses share conversions."""
    total, left_in = 0.0, {}
    for layer, number in zip(problem["layers"], plan, strict=True):
        routine = problem["tables"][layer["table"]]["routines"][number]
        total += routine["cost"]
        for value, wanted in zip(layer["inputs"], routine["in"], strict=True):
            total += chains[problem["values"][value]["adapt"]][left_in[value]][wanted]
        left_in.update(zip(layer["outputs"], routine["out"], strict=True))
    return total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--plans", type=int, default=1000)
    plans = parser.parse_args().plans
    problem = json.load(sys.stdin)
    chains = [shortest(adapts["cost"]) for adapts in problem["adapts"]]
    counts = [len(problem["tables"][layer["table"]]["routines"]) for layer in problem["layers"]]
    generator = random.Random(0)
    tries = ([generator.randrange(count) for count in counts] for _ in range(plans))
    best = min(tries, key=lambda plan: price(problem, chains, plan))
    found = price(problem, chains, best) < INFINITY
    # Without "cost" and "conversions" Plait computes both: the cheapest conversions for the choice.
    answer = {"schema": "routine-selection-solution/1", "choice": best if found else None}
    json.dump(answer, sys.stdout)


main()
