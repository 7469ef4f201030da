"""Run other people's harnesses on a few sums against a server on loopback; each writes its own log.

Data flows questions -> the tool's own task file -> its command line in its own environment -> a folder of logs.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

N_EPOCHS = 2
TIMEOUT_S = 3
PREAMBLE = "You are asked a question of a small test of arithmetic, and you work it out step by step. " * 8
"""Long enough for the server to keep prompts: parts of them are billed as cached."""
FIRST_SUM = 12
"""From here on twelve sums meet every fault of the server: refusals, drops, timeouts, answers without usage."""

INSPECT_TASK = """
import json
from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset, FieldSpec
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

@task
def sums(cache: bool = False):
    fields = FieldSpec(id="id", input="question", target="answer")
    return Task(dataset=json_dataset("questions.jsonl", fields), solver=generate(cache=cache), scorer=includes())
"""
LM_EVAL_TASK = """
task: sums
dataset_path: json
dataset_kwargs: {{data_files: {{test: {questions}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: [], max_gen_toks: 4096}}
repeats: {n_epochs}
filter_list:
  - {{name: first, filter: [{{function: take_first}}]}}
  - {{name: most, filter: [{{function: majority_vote}}, {{function: take_first}}]}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 1}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a tool is asked to do: this model at this address, the questions and all files in this folder.

    Attributes:
        model: as the server names it.
        cached: keep answers, and ask all again: the second time nothing is sent.
    """

    model: str
    url: str
    folder: Path
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A harness of others.

    Attributes:
        version: a command that prints the version, in the tool's own folder.
        run: run it as asked; gives the logs that it wrote.
        logs_tokens: its logs hold token counts.
        keeps_answers: it has a cache of its own.
    """

    name: str
    version: Sequence[str]
    run: Callable[[Path, Asked], Sequence[Path]]
    logs_tokens: bool = True
    keeps_answers: bool = True


def write_questions(folder: Path, n_questions: int) -> Path:
    """Write sums as JSON lines of `id`, `question`, `answer`; gives the file."""
    rows = [
        {"id": f"sum-{i}", "question": f"{PREAMBLE}What is {i} + {7 * i + 1}?", "answer": str(8 * i + 1)}
        for i in range(FIRST_SUM, FIRST_SUM + n_questions)
    ]
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _call(command: Sequence[object], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a tool in a folder that is its home, with no address but the one that it is told."""
    home = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "XDG_DATA_HOME": str(folder / "data")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", **home, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{(done.stderr or done.stdout)[-2_000:]}")


def _inspect(place: Path, asked: Asked) -> Sequence[Path]:
    (asked.folder / "sums.py").write_text(INSPECT_TASK, encoding="utf-8")
    command = [
        place / "inspect/bin/inspect", "eval", "sums.py", "--model", f"openai-api/sim/{asked.model}",
        "--display", "none", "--epochs", N_EPOCHS, "--max-retries", 3, "--attempt-timeout", TIMEOUT_S,
        "--no-fail-on-error", "--log-dir", "logs", "-T", f"cache={str(asked.cached).lower()}",
    ]  # fmt: skip
    for _ in range(2 if asked.cached else 1):
        _call(command, asked.folder, {"SIM_BASE_URL": asked.url, "SIM_API_KEY": "not-a-key"})
    return [asked.folder / "logs"]


def _lm_eval(place: Path, asked: Asked) -> Sequence[Path]:
    (asked.folder / "tasks").mkdir()
    task = LM_EVAL_TASK.format(questions=asked.folder / "questions.jsonl", n_epochs=N_EPOCHS)
    (asked.folder / "tasks/sums.yaml").write_text(task, encoding="utf-8")
    model = f"model={asked.model},base_url={asked.url}/chat/completions,num_concurrent=1,max_retries=4"
    command = [
        place / "lm_eval/bin/lm_eval", "run", "--model", "local-chat-completions", "--model_args",
        f"{model},tokenized_requests=False,timeout={TIMEOUT_S}", "--tasks", "sums", "--include_path", "tasks",
        "--apply_chat_template", "--output_path", "logs", "--log_samples",
    ]  # fmt: skip
    _call(command, asked.folder, {"OPENAI_API_KEY": "not-a-key", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"})
    return [asked.folder / "logs"]


def _promptfoo(place: Path, asked: Asked) -> Sequence[Path]:
    questions = [json.loads(line) for line in (asked.folder / "questions.jsonl").read_text().splitlines()]
    provider = {
        "id": f"openai:chat:{asked.model}",
        "config": {"apiBaseUrl": asked.url, "apiKey": "not-a-key", "max_tokens": 4096},
    }
    config = {
        "description": "sums",
        "prompts": ["{{question}}"],
        "providers": [provider],
        "tests": [
            {
                "description": one["id"],
                "vars": {"question": one["question"]},
                "assert": [{"type": "contains", "value": one["answer"]}],
            }
            for one in questions
        ],
    }
    (asked.folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    environment = {
        "PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_CONFIG_DIR": str(asked.folder),
        "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1", "PROMPTFOO_FAILED_TEST_EXIT_CODE": "0",
        "REQUEST_TIMEOUT_MS": str(TIMEOUT_S * 1000),
    }  # fmt: skip
    logs = []
    for n in range(2 if asked.cached else 1):
        logs.append(asked.folder / f"log-{n}.json")
        command = [
            place / "promptfoo/node_modules/.bin/promptfoo", "eval", "-c", "config.json", "-j", 2, "--repeat", N_EPOCHS,
            "--no-table", "--no-progress-bar", "-o", logs[-1], *([] if asked.cached else ["--no-cache"]),
        ]  # fmt: skip
        _call(command, asked.folder, environment)
    return logs


_VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
TOOLS = (
    Tool(name="inspect", version=("inspect/bin/python", "-c", _VERSION, "inspect_ai"), run=_inspect),
    Tool(
        name="lm_eval",
        version=("lm_eval/bin/python", "-c", _VERSION, "lm_eval"),
        run=_lm_eval,
        logs_tokens=False,
        keeps_answers=False,
    ),
    Tool(
        name="promptfoo",
        version=("promptfoo/node_modules/.bin/promptfoo", "--version"),
        run=_promptfoo,
    ),
)
