"""How many payloads a second a filter decides, and what compiling one costs; against filtrex where Node has it.

    python tests/bench/filters.py [--filtrex DIR]

`DIR` is a folder in which `npm install filtrex` has been run; `JOBSD_FILTREX` may name it as well. Both sides get
the same 1,000 payloads, already parsed, in the same run; the best of several rounds counts.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.filters import EVENT, Filter, compile_filter
from runner.filters.batch import answer
from runner.filters.filter import compile_uncached

EXPRESSIONS = {
    "A": "event.amount > 1000",
    "B": 'event.action == "entitlement_created" and event.partner == "AWS"',
    "C": 'lower(event.status) == "active"',
    "D": 'event.offer.info.commits > 5 and includes(event.tags, "vip")',
}
ROUNDS = 9
PASSES = 100
COMPILATIONS = 300
DISTINCT = 100_000
ORACLE = """
import { readFileSync } from 'node:fs';
import { compileExpression, useDotAccessOperator } from 'filtrex';
const { expressions, payloads, rounds, passes } = JSON.parse(readFileSync(0, 'utf8'));
const data = payloads.map((event) => ({ event }));
const text = (s) => { if (typeof s !== 'string') throw new TypeError('text'); return s; };
const list = (a) => { if (!Array.isArray(a)) throw new TypeError('list'); return a; };
const extraFunctions = {
  lower: (s) => text(s).toLowerCase(), includes: (a, v) => list(a).includes(v),
};
const rates = {};
for (const [name, expression] of Object.entries(expressions)) {
  const check = compileExpression(expression, { extraFunctions, customProp: useDotAccessOperator });
  let best = Infinity, passed = 0;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (let i = 0; i < passes; i++) for (const item of data) if (check(item) === true) passed++;
    best = Math.min(best, performance.now() - start);
  }
  rates[name] = { rate: passes * data.length / best * 1000, passed: passed / rounds / passes };
}
console.log(JSON.stringify(rates));
"""


def payloads() -> list[dict[str, Any]]:
    """A thousand payloads of a marketplace, about half of which pass each expression's parts."""
    draw = random.Random(7)  # the same payloads in each run
    return [
        {
            "source": draw.choice(["aws-marketplace", "gcp-marketplace"]),
            "action": draw.choice(["entitlement_created", "entitlement_removed"]),
            "partner": draw.choice(["AWS", "GCP"]),
            "status": draw.choice(["Active", "ACTIVE", "ended"]),
            "amount": draw.randrange(0, 2000),
            "tags": draw.sample(["eu", "us", "vip", "new", "trial"], 3),
            "buyer": {"name": draw.choice(["Ann", "Bob"]), "email": "x@example.com"},
            "offer": {"id": "of-1", "info": {"commits": draw.randrange(0, 12)}},
        }
        for _ in range(1000)
    ]


def rate_of(check: Callable[[Any], Any], events: list[Any], passes: int = PASSES) -> float:
    """Evaluations a second."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(passes):
            for event in events:
                check(event)
        best = min(best, time.perf_counter() - start)
    return passes * len(events) / best


def compile_seconds(text: str) -> float:
    """Seconds to make one expression ready to check, past the cache."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(COMPILATIONS // ROUNDS):
            compile_uncached(text, EVENT, filtrex=False).check  # noqa: B018 - it is made when it is asked for
        best = min(best, time.perf_counter() - start)
    return best / (COMPILATIONS // ROUNDS)


def batch_seconds(count: int) -> float:
    """Seconds of the processor for a batch in which no expression comes twice."""
    event = payloads()[0]
    lines = [
        json.dumps(
            {"expr": f'event.offer.info.commits > {number} and includes(event.tags, "vip")', "payload": event}
        )
        for number in range(count)
    ]
    start = time.process_time()
    for line in lines:
        answer(line.encode())
    return time.process_time() - start


def rates_of_filtrex(folder: Path, events: list[Any]) -> dict[str, dict[str, float]]:
    """The same measurement on Node."""
    node = shutil.which("node")
    if node is None or not (folder / "node_modules" / "filtrex").is_dir():
        message = f"needs node on the PATH and filtrex installed in {folder}"
        raise SystemExit(message)
    question = {"expressions": EXPRESSIONS, "payloads": events, "rounds": ROUNDS, "passes": PASSES}
    with tempfile.NamedTemporaryFile("w", suffix=".mjs", dir=folder) as script:
        script.write(ORACLE)
        script.flush()
        answer = subprocess.run(
            [node, script.name], input=json.dumps(question), capture_output=True, text=True, check=True
        )
    rates: dict[str, dict[str, float]] = json.loads(answer.stdout)
    return rates


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="Benchmark of the filter language.")
    parser.add_argument(
        "--filtrex",
        type=Path,
        default=os.environ.get("JOBSD_FILTREX"),
        help="a folder in which filtrex is installed by npm",
    )
    folder = parser.parse_args().filtrex
    events = payloads()
    theirs = rates_of_filtrex(folder, events) if folder is not None else {}
    print(f"{'':2} {'checks/s':>12} {'filtrex/s':>12} {'ratio':>6} {'failing/s':>12} {'cost':>6} {'compile':>9}")
    for name, text in EXPRESSIONS.items():
        compiled: Filter = compile_filter(text)
        ours = rate_of(compiled.check, events)
        failing = rate_of(compiled.check, [{} for _ in events])
        peer = theirs.get(name)
        if peer is not None and peer["passed"] != sum(compiled.check(event).passed for event in events):
            message = f"{name}: filtrex passes other payloads"
            raise SystemExit(message)
        columns = [
            f"{peer['rate']:12,.0f} {ours / peer['rate']:6.2f}" if peer is not None else f"{'-':>12} {'-':>6}"
        ]
        columns += [f"{failing:12,.0f} {ours / failing:5.1f}x", f"{compile_seconds(text) * 1e6:6.0f} µs"]
        print(f"{name:2} {ours:12,.0f} {' '.join(columns)}")
    spent = batch_seconds(DISTINCT)
    print(f"batch of {DISTINCT:,} distinct expressions: {spent:.1f} s, {spent / DISTINCT * 1e6:.0f} µs each")


if __name__ == "__main__":
    main()
