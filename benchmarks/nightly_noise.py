"""How often noise alone closes the nightly gate: pairs of runs of the same simulated models, drawn anew each time.

    python -m benchmarks.nightly_noise [--repeats 200] [--samples 100]
    python -m benchmarks.nightly_noise --drawn 4000

Every repeat is two real runs over HTTP against servers with different seeds, in one ledger, compared by the function
behind `benchtab compare` and `benchtab nightly`, with two models and both thresholds at zero tolerance, where a false
alarm is likeliest, and at 10 % and 1 point. Ends with 1 when more than 5 % of the repeats raise an alarm.
With `--drawn` answers are drawn without sending anything and judged by the same intervals at zero tolerance.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from harness.ledger import Ledger
from harness.loaders import load_suite, load_task
from harness.models import parse_model
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.rendering.progress import ProgressDisplay
from harness.reports.compare.comparison import DESIGNED_ALARMS, FALSE_ALARMS, Thresholds, compare
from harness.reports.compare.run_comparison import reports_to_compare
from harness.runner import PreparedRun, RunSpec, run_suites
from harness.simulation import MODELS as MODELS_BY_NAME
from harness.simulation import AnswerKey, Draw, answer, prompt_of
from harness.stats import cost_ratio, paired_difference
from tests.support.simulated_nights import serving, write_suite

MODELS = ("openai-compatible/sim-reasoner@low", "openai-compatible/sim-direct")


GATES = {
    "zero tolerance": Thresholds(cost_increase=0.0, score_drop=0.0),
    "10 % and 1 point": Thresholds(cost_increase=0.10, score_drop=0.01),
}


def run(suite: str, url: str, ledger: Ledger, book: PriceBook, run_id: str) -> None:
    """Run the suite on both models at a server."""
    spec = RunSpec(
        suites=(suite,),
        models=tuple(parse_model(name) for name in MODELS),
        base_url=url,
        keep_transcripts=False,
    )

    def observe(prepared: PreparedRun) -> ProgressDisplay:
        return ProgressDisplay({model.spec: len(prepared.items) for model in prepared.models}, quiet=True)

    run_suites(spec, ledger=ledger, book=book, run_id=run_id, observe=observe)


def drawn_alarms(suite: str, repeats: int, *, designed: float) -> float:
    """Draw pairs of nights and judge them at zero tolerance, with tests designed for a rate; gives the rate seen."""
    task = load_suite(suite).tasks[0]
    samples = load_task(task, suite_path=Path(suite)).samples
    key = AnswerKey.from_samples((sample, task.scorer.name) for sample in samples)
    prompts = [prompt_of([("user", str(sample.input))]) for sample in samples]

    def night(seed: int, name: str, usd: tuple[float, float]) -> tuple[list[float], list[float]]:
        model = MODELS_BY_NAME[name]
        draw = Draw(seed=seed, model=model, effort="low" if model.reasons else "medium")
        found = [answer(key, draw, prompt) for prompt in prompts]
        costs = [usd[0] * one.prompt_tokens + usd[1] * (one.reasoning_tokens + one.answer_tokens) for one in found]
        return [float(bool(one.right)) for one in found], costs

    level, alarms = 1 - 2 * designed / 4, 0
    for repeat in range(repeats):
        raised = False
        for name, usd in (("reasoner", (2.0, 8.0)), ("direct", (0.4, 1.6))):
            (base, base_usd), (head, head_usd) = (night(2 * repeat + side, name, usd) for side in (0, 1))
            low = cost_ratio(base_usd, head_usd, level=level).ci_low
            high = paired_difference(base, head, level=level).ci_high
            raised = raised or (low is not None and low > 1) or (high is not None and high < 0)
        alarms += raised
    return alarms / repeats


def main() -> int:
    """Count alarms and print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--drawn", type=int, default=0, metavar="N")
    options = parser.parse_args()
    if options.drawn:
        with tempfile.TemporaryDirectory() as folder:
            suite = write_suite(Path(folder), options.samples)
            for designed in (DESIGNED_ALARMS, FALSE_ALARMS):
                rate = drawn_alarms(suite, options.drawn, designed=designed)
                print(f"{options.drawn} drawn repeats, designed for {designed:.1%}: false alarms {rate:.2%}")
        return 0
    began = time.monotonic()
    verdicts: dict[str, Counter[str]] = {name: Counter() for name in GATES}
    book = load_price_book()
    with tempfile.TemporaryDirectory() as folder:
        suite, db = write_suite(Path(folder), options.samples), Path(folder) / "ledger.db"
        for repeat in range(options.repeats):
            names = [f"{repeat}-{side}" for side in ("base", "head")]
            with Ledger.open(db) as ledger:
                for place, name in enumerate(names):
                    with serving(suite, seed=2 * repeat + place) as url:
                        run(suite, url, ledger, book, name)
                reports = reports_to_compare(ledger, book, names[0], names[1])
            for gate, thresholds in GATES.items():
                verdicts[gate][compare(*reports, thresholds).verdict] += 1
    seconds = time.monotonic() - began
    print(f"{options.repeats} repeats of noise alone, {options.samples} samples, 2 models, {seconds:.0f} s")
    for gate, counts in verdicts.items():
        rate = counts["regression"] / options.repeats
        told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        print(f"  {gate}: false alarms {rate:.1%} ({told})")
    worst = max(counts["regression"] for counts in verdicts.values()) / options.repeats
    print(
        f"highest rate {worst:.1%}, at most {FALSE_ALARMS:.0%} allowed: {'met' if worst <= FALSE_ALARMS else 'MISSED'}"
    )
    return 0 if worst <= FALSE_ALARMS else 1


if __name__ == "__main__":
    sys.exit(main())
