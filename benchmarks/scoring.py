"""Do the scorers agree with people's labels and with mathematics? Prints one table for each question.

Run as `python -m benchmarks.scoring [--data DIR] [--recorded DIR] [--messy N]`; DIR holds `gsm8k/` and `math500/`, and
the recorded answers of a real model. Data that is absent is said and left out. Verdicts are compared by the code of
`benchtab score --against`. Exits with 1 when a messy reply with a wrong answer is credited, or more than a hundredth of
the right ones is missed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.documents.table import Column, Table
from harness.rendering.console import print_table
from harness.reports.agreement import Recorded, Verdict, compare
from harness.scorers import MathCheck, Score, score
from harness.suites import Sample, ScorerRef
from tests.support.math_forms import perturbed, rewritten
from tests.support.math_replies import finished
from tests.support.messy_replies import MESSY_SCORERS, messy_replies, scored_replies

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


AUTHORS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


PUBLISHED_GPT35 = 80.36


FEWEST_FOUND = 0.99


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSON Lines file, gzipped or not."""
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    return map(json.loads, text.decode().splitlines())


def scored(ref: ScorerRef, text: str, target: str) -> Score:
    """Score a reply with a scorer that decides by itself."""
    sample = Sample(task="benchmark", sample_id="-", input="-", target=target)
    outcome = score(ref, text=text, sample=sample, finish_reason="stop")
    assert isinstance(outcome, Score)
    return outcome


def verdict(sample_id: str, found: Score) -> Verdict:
    """A score as `benchtab score --against` compares it."""
    return Verdict(
        sample_id=sample_id,
        suite="benchmark",
        task="benchmark",
        model="recorded",
        epoch=1,
        value=found.value,
        answer=found.answer,
        rule=found.rule,
        reason=found.reason,
    )


def messy(count: int) -> tuple[Table, bool]:
    """Untidy replies of known truth: what is found of the right ones, what is credited of the wrong ones."""
    rows: list[tuple[str, int, int, int, int, str, int, int]] = []
    good = True
    for scorer in MESSY_SCORERS:
        replies = list(messy_replies(scorer, count))
        truth = [Recorded(sample_id=str(number), correct=reply.right) for number, reply in enumerate(replies)]
        found = compare(truth, [verdict(str(number), one) for number, one in enumerate(scored_replies(replies))])
        credited = [one for one in found.differences if not one.recorded.correct]
        missed = [one for one in found.differences if one.recorded.correct]
        for one in found.differences[:20]:
            reply = replies[int(one.recorded.sample_id)]
            print(
                f"  {scorer}: {reply.form}: {reply.text[-100:]!r}, reference {reply.target!r}, ours {one.ours.answer!r}"
            )
        right = sum(reply.right for reply in replies)
        share = (right - len(missed)) / right
        good = good and not credited and share >= FEWEST_FOUND
        forms = len({reply.form.partition(" / ")[0] for reply in replies})
        rows.append(
            (scorer, forms, count, right, right - len(missed), f"{100 * share:.2f}", count - right, len(credited))
        )
    columns = (
        Column(name="scorer"),
        *(integer(name) for name in ("forms", "replies", "right", "right_found")),
        Column(name="found_percent"),
        *(integer(name) for name in ("wrong", "wrong_credited")),
    )
    return Table(name="messy", title="Untidy replies of known truth", columns=columns, rows=rows), good


def gsm8k_labels(path: Path) -> Table:
    """Labelled answers of four models: does the number scorer say what the label says?"""
    ref = ScorerRef(name="number", options={"find": ["short_answer_line"]})
    agreed: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for author in AUTHORS:
        labels: list[Recorded] = []
        ours: list[Verdict] = []
        for number, row in enumerate(rows_of(path)):
            target = row["ground_truth"].rpartition("A:")[2].strip()
            labels.append(Recorded(sample_id=str(number), correct=row[author]["is_correct"]))
            ours.append(verdict(str(number), scored(ref, row[author]["solution"], target)))
        found = compare(labels, ours)
        labelled[author], agreed[author] = found.n_compared, found.n_agreed
        right[author] = sum(label.correct is True for label in labels)
    rows = [(author, labelled[author], right[author], agreed[author]) for author in AUTHORS]
    rows.append(("all", labelled.total(), right.total(), agreed.total()))
    columns = (Column(name="model"), *(integer(name) for name in ("labelled", "labelled_right", "agreed")))
    return Table(name="gsm8k_labels", title="GSM8K: labelled answers", columns=columns, rows=rows)


def gsm8k_recorded(path: Path) -> Table:
    """A real model's recorded replies (JSON with an `answer` field) against the published accuracy."""
    ref = ScorerRef(name="number", options={"find": ["json:answer"]})
    found = [scored(ref, row["output"][0], row["answer"].strip("# ")) for row in rows_of(path)]
    right = sum(one.value == 1.0 for one in found)
    no_answer = sum(one.value is None for one in found)
    percent = f"{100 * right / len(found):.2f}"
    columns = (
        *(integer(name) for name in ("replies", "right", "without_answer")),
        Column(name="right_percent"),
        Column(name="published_percent"),
    )
    rows = [(len(found), right, no_answer, percent, str(PUBLISHED_GPT35))]
    return Table(name="gsm8k_recorded", title="GSM8K: recorded gpt-3.5-turbo-0125", columns=columns, rows=rows)


def math_500(path: Path) -> Table:
    """Each reference against itself, a rewritten form and a perturbed form, by subject."""
    ref = ScorerRef(name="math")
    asked: list[tuple[str, str, str]] = []
    outcomes: list[Score | MathCheck] = []
    for row in rows_of(path):
        forms = {
            "itself": row["answer"],
            "rewritten": rewritten(row["answer"])[1],
            "perturbed": perturbed(row["answer"]),
        }
        for kind, form in forms.items():
            sample = Sample(task="benchmark", sample_id="-", input="-", target=row["answer"])
            outcome = score(ref, text=f"\\boxed{{{form}}}", sample=sample)
            assert isinstance(outcome, Score | MathCheck)
            asked.append((row["subject"], kind, form))
            outcomes.append(outcome)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for (subject, kind, form), outcome, found in zip(asked, outcomes, finished(outcomes), strict=True):
        good = found.value == (0.0 if kind == "perturbed" else 1.0)
        for name in (subject, "all"):
            counts[name][kind] += good
            counts[name]["by_worker"] += isinstance(outcome, MathCheck)
            counts[name]["references"] += kind == "itself"
        if not good:
            print(f"  {subject}: {kind} {form!r} gave {found}")
    return math_table(counts)


def math_table(counts: dict[str, Counter[str]]) -> Table:
    """One row a subject."""
    names = ("references", "itself", "rewritten", "perturbed", "by_worker")
    titles = {
        "itself": "equals itself",
        "rewritten": "equals rewritten",
        "perturbed": "differs from perturbed",
        "by_worker": "comparisons by a worker",
    }
    order = [*sorted(name for name in counts if name != "all"), "all"]
    columns = (Column(name="subject"), *(integer(name, titles.get(name, "")) for name in names))
    rows = [(subject, *(counts[subject][name] for name in names)) for subject in order]
    return Table(name="math_500", title="MATH-500: equivalence of answers", columns=columns, rows=rows)


def integer(name: str, title: str = "") -> Column:
    """A column of counts."""
    return Column(name=name, kind="integer", title=title or name.replace("_", " "))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 1 = untidy replies were misread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=BESIDE / "questions")
    parser.add_argument("--recorded", type=Path, default=BESIDE / "recorded")
    parser.add_argument("--messy", type=int, default=2_000, help="untidy replies for each scorer")
    chosen = parser.parse_args(arguments)
    parts = [
        (gsm8k_labels, chosen.data / "gsm8k" / "example_model_solutions.jsonl.gz"),
        (gsm8k_recorded, chosen.recorded / "gsm8k_answers" / "gsm_gpt-3.5-turbo-0125.jsonl.gz"),
        (math_500, chosen.data / "math500" / "test.jsonl"),
    ]
    for make, path in parts:
        if not path.is_file():
            print(f"left out: {path} is not on this machine")
            continue
        started = time.perf_counter()
        print_table(make(path))
        print(f"{time.perf_counter() - started:.1f} s\n")
    started = time.perf_counter()
    table, good = messy(chosen.messy)
    print_table(table)
    print(f"{time.perf_counter() - started:.1f} s")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
