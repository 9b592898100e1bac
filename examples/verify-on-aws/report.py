"""The report, in Markdown, to be attached to an issue: no account number in it."""

import re

import questions


def write(timeline, about):
    lines = ["# ecs-lifecycle-agent on AWS", ""]
    lines += [f"- {name}: {value}" for name, value in about.items()]
    lines += ["", "## Steps", "", "| Step | Begin | End | Outcome |", "|---|---|---|---|"]
    for begin in timeline.of("step", what="begin"):
        ends = timeline.of("step", name=begin["name"], what="end")
        end, outcome = (ends[-1]["at"], ends[-1]["outcome"]) if ends else ("", "did not end")
        lines.append(f"| {begin['name']} | {begin['at']} | {end} | {_cell(outcome)} |")
    found = questions.answers(timeline)
    known = [each for each in found if each[2] is not None]
    lines += ["", f"## Answers: {len(known)} of {len(found)}", ""]
    lines += ["The numbers are those of docs/tested.md.", ""]
    for number, question, answer, evidence in found:
        lines += [f"### {number}. {question}", "", answer or "Not seen.", ""]
        lines += [f"    {' '.join(line.split())[:300]}" for line in evidence[:40] if line]
        if len(evidence) > 40:
            lines.append(f"    … and {len(evidence) - 40} lines more, in timeline.jsonl")
        lines.append("")
    refused = timeline.of("watch-error")
    if refused:
        lines += ["## What the watcher was refused", ""]
        lines += [f"- {o['at']} {_cell(o['subject'])}: {_cell(o['value'])}" for o in refused[:40]]
        lines.append("")
    return re.sub(r"(?<!\d)\d{12}(?!\d)", "ACCOUNT", "\n".join(lines))


def _cell(text):
    return " ".join(str(text).split())[:300].replace("|", "\\|")
