"""How many frames of a video are enough: the frames ladder on synthetic clips, through the command line.

    python -m benchmarks.frames [--clips 240] [--frames 4 8 16 32] [--out results/frames]

Coloured squares are shown one after another, and the question asks for one by its place: whoever is shown too few
frames misses squares, and can only guess. The simulated models do as told by each row (`frames_needed`, which follows
from the clip's timeline); everything else of their answers does not depend on the frames. Writes the clips, a ledger,
the charts and the table, and ends with an error where the ladder does not show what the clips were made to show.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.generated_clips import LADDER, write_clips

MODELS = ("sim/reasoner", "sim/direct")


def main() -> int:
    """Run the ladder and print what came of it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--clips", type=int, default=240)
    options.add_argument("--frames", type=int, nargs="+", default=list(LADDER))
    options.add_argument("--out", type=Path, default=Path("results/frames"), help="folder of table and charts")
    given = options.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        suite = write_clips(Path(folder), given.clips)
        needed = _needed(suite)
        print(f"{given.clips} clips; frames needed: {', '.join(f'{n} by {k}' for k, n in sorted(needed.items()))}")
        db = ["--db", str(Path(folder) / "ledger.db")]
        models = [word for model in MODELS for word in ("-m", model)]
        for frames in sorted(given.frames):
            _benchtab("-q", "run", str(suite), *models, "--frames", str(frames), "--run-id", f"frames-{frames}", *db)
        print(_benchtab("report", "--frames-ladder", "--charts", str(given.out), *db))
        _benchtab("report", "--frames-ladder", "-o", str(given.out / "frames_ladder.csv"), *db)
        ladders = json.loads(_benchtab("report", "--frames-ladder", "--json", *db))["ladders"]
    print(f"charts and table: {given.out}")
    return _held(ladders, needed, given.clips)


def _needed(suite: Path) -> Counter[int]:
    rows = suite.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    return Counter(json.loads(row)["frames_needed"] for row in rows)


def _benchtab(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "harness", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"benchtab {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def _held(ladders: list[dict[str, object]], needed: Counter[int], n_clips: int) -> int:
    """Whether scores never fall with more frames, and rungs that show every square are told from those that do not."""
    failures = []
    for ladder in ladders:
        rungs = ladder["rungs"]
        assert isinstance(rungs, list)
        most = rungs[-1]["frames"]
        for low, high in pairwise(rungs):
            if low["score"] > high["score"]:
                failures.append(f"{ladder['model']}: {low['frames']} frames score above {high['frames']}")
        for rung in rungs[:-1]:
            missed = sum(count for least, count in needed.items() if rung["frames"] < least <= most)
            if missed > n_clips / 4 and rung["standing"] == "not worse":
                failures.append(f"{ladder['model']}: {rung['frames']} frames miss {missed} clips and are not worse")
            if not missed and rung["standing"] == "worse":
                failures.append(f"{ladder['model']}: {rung['frames']} frames miss no clip and are worse")
    print("\n".join(failures) or "held: no score falls with more frames, no rung is called what its clips are not")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
