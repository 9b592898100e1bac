#!/usr/bin/env python3
"""Breaks the core on purpose, to see whether the adversary notices.

In a scratch worktree of its own (it changes src/decide):

    git worktree add --detach ../breaks && cd ../breaks
    python3 tests/explore/breaks.py plant --seed 1 --count 10
    cargo build --profile explore -p ecs-lifecycle-explore
    python3 tests/explore/breaks.py try

`plant` chooses lines by the seed, over all lines of the core that are a statement of one line (a call or an
assignment: it is dropped), or that are an `if` or `&&` or `||` with a comparison or an operator (it is turned round).
All breaks are built into one binary; ECS_BREAK turns one of them on. `try` runs undisturbed stories, a sample of the
singles and random stories with each, and says which rules are broken in which stories that the unbroken core, told the same, does not break.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

CORE = Path("src/decide")
# Values, words, and what people read: no decisions.
LEFT_OUT = ("model", "note.rs", "notes", "health.rs", "figures", "tests", "says", "view")
TURNED = {"==": "!=", "!=": "==", ">=": "<", "<=": ">", "&&": "||", "||": "&&"}
BROKEN = """
/// Whether this break is on.
pub(crate) fn broken(number: u32) -> bool {
    static ON: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();
    *ON.get_or_init(|| std::env::var("ECS_BREAK").ok().and_then(|it| it.parse().ok())) == Some(number)
}
"""


def candidates():
    for path in sorted(CORE.rglob("*.rs")):
        if any(part in str(path.relative_to(CORE)) for part in LEFT_OUT):
            continue
        lines = path.read_text().split("\n")
        before = ""
        for at, line in enumerate(lines):
            text = line.strip()
            starts = before.endswith((";", "{", "}")) or before.startswith("//")
            statement = starts and re.match(r"^(self|turn|state|[a-z_]+)\.[^=]*(\(.*\)| = [^;]*);$", text)
            if statement and text.count("(") == text.count(")") and "note(" not in text:
                yield path, at, "dropped", None
            test = re.match(r"^(?:\} else )?if ([^{}|]*) \{$", text)
            if test and "let " not in text:
                for operator in re.findall(r" (==|!=|>=|<=|&&|\|\|) ", test[1])[:1]:
                    yield path, at, "turned", operator
            if text:
                before = text


def plant(seed, count):
    all_of_them = list(candidates())
    chosen = random.Random(seed).sample(all_of_them, count)
    print(f"{len(all_of_them)} lines to choose from, seed {seed}")
    out = []
    for number, (path, at, how, operator) in enumerate(chosen, 1):
        lines = path.read_text().split("\n")
        line = lines[at]
        indent = line[: len(line) - len(line.lstrip())]
        if how == "dropped":
            lines[at] = f"{indent}if !crate::broken({number}) {{ {line.strip()} }}"
        else:
            head, test = re.match(r"^((?:\} else )?if )(.*) \{$", line.strip()).groups()
            other = test.replace(f" {operator} ", f" {TURNED[operator]} ", 1)
            lines[at] = f"{indent}{head}(if crate::broken({number}) {{ {other} }} else {{ {test} }}) {{"
        path.write_text("\n".join(lines))
        what = how if operator is None else f"`{operator}` -> `{TURNED[operator]}`"
        out.append(f"{number} | {path.relative_to(CORE)}:{at + 1} | {what}: {line.strip()}")
    library = CORE / "lib.rs"
    library.write_text(library.read_text() + BROKEN)
    Path("target").mkdir(exist_ok=True)
    Path("target/breaks.txt").write_text("\n".join(out) + "\n")
    print("\n".join(out))


def explore(number, arguments, patience=None):
    environment = {**os.environ, "ECS_BREAK": str(number)}
    command = ["target/explore/explore", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=patience).stdout


def found(number, level, patience=None):
    """Rules and stories; what is expected is printed as such, and left out."""
    try:
        told = explore(number, [*level, "--expected", "tests/explore/expected.txt"], patience)
    except subprocess.TimeoutExpired:
        # Stories that do not end, or hundreds of classes to make smaller.
        return [("does-not-end", "")]
    classes = re.findall(r"^FOUND \d+ times: ([a-z-]+)\n {2}(.*)$", told, re.MULTILINE)
    return classes + re.findall(r"^FOUND \d+ times: ([a-z-]+): (.*)$", told, re.MULTILINE)


def is_new(rule, line):
    """Whether the unbroken core, told the same story, does not break the rule."""
    return not line or f'"{rule}"' not in explore(0, ["replay", line]).strip().split("\n")[-1]


def attempt(levels):
    breaks = Path("target/breaks.txt").read_text().strip().split("\n")
    patience = []
    for level in levels:
        begun = time.monotonic()
        found(0, level)
        patience.append(max(25, 4 * (time.monotonic() - begun)))
    noticed = 0
    for line in breaks:
        number = line.split(" | ")[0]
        for level, limit in zip(levels, patience):
            new = [it for it in found(number, level, limit) if is_new(*it)]
            if new:
                noticed += 1
                rules = ", ".join(sorted({rule for rule, _ in new}))
                print(f"{line} | yes, by {' '.join(level)}: {rules} | {new[0]}", flush=True)
                break
        else:
            print(f"{line} | NO", flush=True)
    print(f"{noticed} of {len(breaks)} noticed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["plant", "try"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--singles", default="8000")
    parser.add_argument("--random", default="20000")
    given = parser.parse_args()
    if given.what == "plant":
        return plant(given.seed, given.count)
    return attempt(
        [["singles", "--sample", given.singles], ["random", "--count", given.random, "--seed", "1"]]
    )


sys.exit(main())
