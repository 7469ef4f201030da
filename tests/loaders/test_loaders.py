"""Suite files and data sets are loaded whole or refused with every mistake in one error."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.loaders import list_suites, load_suite, load_task, suite_file
from harness.messages import ImagePart
from harness.scorers import Score, score
from harness.suites import LoadedTask
from tests.support.shared_data import shared
from tests.support.stand_ins import write_jsonl, write_stand_ins

SUITE = """
name = "mine"
version = "1"
title = "Mine"

[[tasks]]
name = "quiz"
prompt = "{question}\\n{choices}\\nAnswer: <letter>"
scorer = { name = "multiple_choice" }

[tasks.dataset]
path = "mine"
source = "files"
local = "%s"
target_form = "letter"
fields = { question = "q", choices = "options", target = "key" }
"""
ROW = {"q": "Which?", "options": ["this", "that"], "key": "A"}


def mine(folder: Path, rows: list[Any], *, name: str = "rows.jsonl", suite: str = SUITE) -> LoadedTask:
    """Write a user's suite with its data and load it."""
    (folder / "mine.toml").write_text(suite % name)
    path = folder / name
    if name.endswith(".jsonl") and "!" not in name:
        path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    loaded = load_suite(str(folder / "mine.toml"))
    return load_task(loaded.tasks[0], suite_path=suite_file(str(folder / "mine.toml")))


def question(number: int, **changes: Any) -> dict[str, Any]:
    return ROW | {"q": f"Which {number}?"} | changes


def test_a_users_suite_is_one_toml_beside_its_data(tmp_path: Path) -> None:
    loaded = mine(tmp_path, [question(1), question(2, key="(B)")])
    assert [sample.target for sample in loaded.samples] == ["A", "B"]
    assert loaded.samples[0].input == "Which 1?\nA) this\nB) that\nAnswer: <letter>"
    assert loaded.revision.startswith("local:")


def test_sample_ids_do_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    forward = mine(tmp_path, [question(1), question(2)])
    backward = mine(tmp_path, [question(2), question(1)])
    assert {one.sample_id for one in forward.samples} == {one.sample_id for one in backward.samples}
    assert forward.samples_sha256 == backward.samples_sha256


def test_equal_rows_get_different_ids(tmp_path: Path) -> None:
    loaded = mine(tmp_path, [question(1), question(1)])
    assert len({one.sample_id for one in loaded.samples}) == 2


def test_all_bad_rows_are_named_with_file_row_and_field(tmp_path: Path) -> None:
    rows = [question(1), "{broken", question(3, key="Z"), {"q": "?"}, question(5, options=["one"]), question(6, q=" ")]
    with pytest.raises(InputError) as caught:
        mine(tmp_path, rows)
    found = [(one.where.removeprefix(str(tmp_path) + "/"), one.message) for one in caught.value.findings]
    places = [where for where, _ in found]
    assert places == [
        "rows.jsonl row 2",
        "rows.jsonl row 3 field 'target'",
        "rows.jsonl row 4 field 'choices'",
        "rows.jsonl row 4 field 'target'",
        "rows.jsonl row 5 field 'choices'",
        "rows.jsonl row 6 field 'question'",
    ]
    assert "answer 'Z' is not one of the letters A-B" in found[1][1]
    assert "nothing was sent" in str(caught.value)


def test_the_first_twenty_mistakes_and_their_count_are_shown(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        mine(tmp_path, [question(n, key="Z") for n in range(57)])
    assert len(caught.value.findings) == 21
    assert "37 more of 57" in caught.value.findings[-1].message


def test_missing_data_says_which_files_and_where_they_were_looked_for(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SUITE % "absent.jsonl")
    suite = load_suite(str(tmp_path / "mine.toml"))
    with pytest.raises(InputError, match="is not on this machine") as caught:
        load_task(suite.tasks[0], suite_path=tmp_path / "mine.toml")
    assert "absent.jsonl" in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "--data DIR" in str(caught.value)


def test_data_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rows"):
        mine(tmp_path, [])


def test_a_data_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    task = load_suite("gsm8k").tasks[0]
    with pytest.raises(InputError, match="data folder does not exist"):
        load_task(task, data_dir=tmp_path / "absent")


def test_another_row_count_is_a_warning_with_both_numbers(tmp_path: Path) -> None:
    loaded = mine(tmp_path, [question(1)], suite=SUITE + "expected_rows = 3\n")
    assert loaded.warnings == ("quiz: 1 samples were loaded, 3 are expected",)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".json", ".parquet", ".jsonl.gz", ".tar.gz"])
def test_every_file_form_gives_the_same_samples(tmp_path: Path, ending: str) -> None:
    rows = [question(1), question(2, key="B")]
    expected = mine(tmp_path, rows)
    name = write_as(tmp_path, rows, ending)
    assert mine(tmp_path, rows, name=name).samples_sha256 == expected.samples_sha256


def write_as(folder: Path, rows: list[dict[str, Any]], ending: str) -> str:
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    table = "q,options,key\n" + "".join(f'{row["q"]},"{row["options"]}",{row["key"]}\n' for row in rows)
    path = folder / f"data{ending}"
    if ending == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    elif ending == ".tar.gz":
        (folder / "inner.jsonl").write_bytes(lines)
        with tarfile.open(path, "w:gz") as tar:
            tar.add(folder / "inner.jsonl", "deep/inner.jsonl")
        return "data.tar.gz!deep/inner.jsonl"
    else:
        forms: Mapping[str, bytes] = {
            ".csv": table.encode("utf-8-sig"),
            ".csv.gz": gzip.compress(table.encode()),
            ".json": json.dumps(rows).encode(),
            ".jsonl.gz": gzip.compress(lines),
        }
        path.write_bytes(forms[ending])
    return path.name


def test_a_copy_in_the_hubs_own_layout_is_found(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "openai" / "gsm8k" / "main"
    folder.mkdir(parents=True)
    rows = [{"question": "2 + 2?", "answer": "Add.\n#### 4"}]
    pq.write_table(pa.Table.from_pylist(rows), folder / "test-00000-of-00001.parquet")
    loaded = load_task(load_suite("gsm8k").tasks[0], data_dir=tmp_path)
    assert [sample.target for sample in loaded.samples] == ["4"]


def test_a_truncated_gzip_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(json.dumps(ROW).encode() * 1000)[:-20])
    with pytest.raises(InputError, match="has 1 mistake") as caught:
        mine(tmp_path, [], name="rows.jsonl.gz")
    assert "cannot be read" in caught.value.findings[0].message


def test_shuffled_options_are_recorded_and_their_answer_follows(tmp_path: Path) -> None:
    folder = write_gpqa(tmp_path)
    task = load_suite("gpqa_diamond").tasks[0]
    loaded = load_task(task, data_dir=folder)
    again = load_task(task, data_dir=folder)
    assert loaded.samples_sha256 == again.samples_sha256
    for number, sample in enumerate(loaded.samples):
        order = sample.metadata["option_order"]
        assert sorted(order) == [0, 1, 2, 3]
        assert sample.choices is not None
        assert sample.choices["ABCD".index(sample.target)] == str(number + 1)
        assert order["ABCD".index(sample.target)] == 0
    letters = [sample.target for sample in loaded.samples]
    assert all(30 <= letters.count(letter) <= 70 for letter in "ABCD")


def write_gpqa(folder: Path) -> Path:
    from tests.support.stand_ins import gpqa_diamond

    gpqa_diamond(folder)
    return folder


def test_filters_keep_what_they_name(tmp_path: Path) -> None:
    def kept(filters: str) -> list[str]:
        rows = [question(n, day=f"2025-01-0{n}", level=n, image="" if n < 3 else "x.png") for n in (1, 2, 3, 4)]
        loaded = mine(tmp_path, rows, suite=SUITE + f"filters = {{ {filters} }}\n")
        return [str(sample.input)[6] for sample in loaded.samples]

    assert kept('day = { from = "2025-01-02", to = "2025-01-03" }') == ["2", "3"]
    assert kept("image = { missing = true }") == ["1", "2"]
    assert kept("level = [1, 4]") == ["1", "4"]
    assert kept("level = { not = 2 }") == ["1", "3", "4"]


def test_a_filter_on_a_column_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        mine(tmp_path, [question(1)], suite=SUITE + "filters = { year = 2024 }\n")
    assert "the filter's column is missing" in str(caught.value)


def test_an_image_outside_the_data_folder_is_refused(tmp_path: Path) -> None:
    suite = SUITE.replace('target = "key"', 'target = "key", images = "picture"')
    with pytest.raises(InputError, match=r"secret\.png"):
        mine(tmp_path, [question(1, picture="../../secret.png")], suite=suite)


def test_every_shipped_suite_is_free_of_mistakes() -> None:
    names = list_suites()
    assert {"mmlu", "mmlu_pro", "gpqa_diamond", "hle", "gsm8k", "math_500", "aime_2024", "aime_2025", "humaneval"} <= {
        *names
    }
    assert {"mbpp", "livecodebench", "scicode", "bbh", "simpleqa", "arc_agi_2", "mmmu_pro", "aa_index_v2"} <= {*names}
    for name in names:
        suite = load_suite(name)
        assert suite.name == name
        assert len(suite.sha256) == 64
        assert suite.title
        for task in suite.tasks:
            assert task.dataset.licence != "not stated"


def test_no_revision_is_invented() -> None:
    pinned = {
        "mmlu": "c30699e8356da336a370243923dbaf21066bb9fe",
        "mmlu_pro": "527feea0afed1de15a8c115abf7be4c912123315",
        "gpqa_diamond": "5233cd1db58884ed0bf678c7c6be731722a23f84",
        "hle": "5a81a4c7271a2a2a312b9a690f0c2fde837e4c29",
        "gsm8k": "cc7b047b6e5bb11b4f1af84efc572db110a51b3c",
        "math_500": "main",
        "aime_2024": "8d88b2876a82a080e2f172cc9b25d0d9d2cb4792",
        "aime_2025": "563bb8404243c5f09de6ec262f2db674fe5bce9b",
        "humaneval": "7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
        "mbpp": "4bb6404fdc6cacfda99d4ac4205087b89d32030c",
        "livecodebench": "main",
        "mmmu_pro": "main",
    }
    for name, revision in pinned.items():
        assert {task.dataset.revision for task in load_suite(name).tasks} == {revision}


def test_an_unknown_suite_names_similar_ones() -> None:
    with pytest.raises(InputError, match="mmlu_pro"):
        load_suite("mmlu-pro")


@pytest.mark.parametrize(
    ("name", "rows"), [("gsm8k", 1319), ("mmlu_pro", 12_032), ("humaneval", 164), ("math_500", 500)]
)
def test_real_questions_load_from_local_files(name: str, rows: int) -> None:
    data = shared("data/questions")
    loaded = load_task(load_suite(name).tasks[0], suite_path=suite_file(name), data_dir=data)
    assert len(loaded.samples) == rows
    assert loaded.warnings == ()
    assert len({sample.sample_id for sample in loaded.samples}) == rows


def test_all_27_big_bench_hard_tasks_load() -> None:
    data = shared("data/questions")
    loaded = [load_task(task, data_dir=data) for task in load_suite("bbh").tasks]
    assert len(loaded) == 27
    assert sum(len(one.samples) for one in loaded) == 6511
    assert not [warning for one in loaded for warning in one.warnings]


def test_options_in_a_column_of_their_own_join_the_question(tmp_path: Path) -> None:
    row = {"question": "Which day?", "choices": {"label": ["(A)", "(B)"], "text": ["today", "never"]}, "target": "(B)"}
    (tmp_path / "bbh").mkdir()
    (tmp_path / "bbh" / "navigate.json").write_text(json.dumps({"examples": [row]}))
    task = next(task for task in load_suite("bbh").tasks if task.name == "navigate")
    (sample,) = load_task(task, data_dir=tmp_path).samples
    assert "Which day?\nOptions:\n(A) today\n(B) never\n" in str(sample.input)


def test_a_number_filter_compares_text_as_a_number_and_refuses_what_is_none(tmp_path: Path) -> None:
    rows = [question(1, level="9"), question(2, level="10")]
    suite = SUITE + "filters = { level = { from = 10 } }\n"
    assert [str(one.input)[6] for one in mine(tmp_path, rows, suite=suite).samples] == ["2"]
    with pytest.raises(InputError, match="cannot be compared with the filter"):
        mine(tmp_path, [question(1, level="high")], suite=suite)


def test_a_file_with_glob_characters_in_its_name_is_found(tmp_path: Path) -> None:
    assert len(mine(tmp_path, [question(1)], name="rows [v2].jsonl").samples) == 1


def test_a_sub_step_without_its_header_is_named(tmp_path: Path) -> None:
    step = {"step_number": "1.1", "step_description_prompt": "Add."}
    problem = {"problem_id": "1", "required_dependencies": "import math", "sub_steps": [step]}
    write_jsonl(tmp_path / "scicode/problems_dev.jsonl", [problem])
    with pytest.raises(InputError, match=r"sub_steps\[1\]\.function_header"):
        load_task(load_suite("scicode").tasks[0], data_dir=tmp_path)


def test_every_big_bench_hard_reference_scores_itself_right_and_its_neighbour_mostly_wrong() -> None:
    data = shared("data/questions")
    for task in load_suite("bbh").tasks:
        samples = load_task(task, data_dir=data).samples[:60]
        for sample in samples:
            outcome = score(task.scorer, text=f"So.\nAnswer: {sample.target}", sample=sample)
            assert isinstance(outcome, Score)
            assert outcome.value == 1.0, (task.name, sample.target)
            other = next(one.target for one in samples if one.target != sample.target)
            wrong = score(task.scorer, text=f"So.\nAnswer: {other}", sample=sample)
            assert isinstance(wrong, Score)
            assert wrong.value == 0.0, (task.name, sample.target, other)


def test_image_questions_carry_their_images_where_the_text_names_them() -> None:
    data = shared("data/questions")
    loaded = load_task(load_suite("mmmu_pro").tasks[0], data_dir=data)
    assert len(loaded.samples) == 3
    for sample in loaded.samples:
        assert not isinstance(sample.input, str)
        images = [part for part in sample.input if isinstance(part, ImagePart)]
        assert [image.media_type for image in images] == ["image/png"]
        assert not any("<image 1>" in part for part in sample.input if isinstance(part, str))
        assert sample.choices is not None
        assert len(sample.choices) == 10
    assert "1730 are expected" in loaded.warnings[0]


NEXTQA = """
name = "nextqa_text"
version = "1"
title = "NExT-QA questions without their videos"

[[tasks]]
name = "nextqa"
prompt = "About a video you cannot see: {question}?\\n{choices}\\nEnd with a line 'Answer: <letter>', one of {letters}."
scorer = { name = "multiple_choice" }

[tasks.dataset]
path = "doc-doc/NExT-QA"
source = "files"
local = "nextqa/val_first20.csv"
target_form = "index"
expected_rows = 20
licence = "MIT"

[tasks.dataset.fields]
question = "question"
choices = ["a0", "a1", "a2", "a3", "a4"]
target = "answer"
subject = "type"
"""


def test_a_users_toml_makes_a_suite_of_a_csv_with_one_column_an_option(tmp_path: Path) -> None:
    data = shared("data/questions")
    (tmp_path / "nextqa.toml").write_text(NEXTQA)
    suite = load_suite(str(tmp_path / "nextqa.toml"))
    loaded = load_task(suite.tasks[0], suite_path=tmp_path / "nextqa.toml", data_dir=data)
    assert len(loaded.samples) == 20
    assert loaded.warnings == ()
    first = loaded.samples[0]
    assert first.target == "A"
    assert first.choices == (
        "roll the handle",
        "tap their feet",
        "strum the string",
        "hit with sticks",
        "pat with hand",
    )
    assert first.metadata == {"subject": "CH"}


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stand_ins(tmp_path_factory.mktemp("stand_ins"))


def test_the_index_plans_16097_requests_once_through_and_19465_with_repeats(stand_ins: Path) -> None:
    loaded = [load_task(task, data_dir=stand_ins) for task in load_suite("aa_index_v2").tasks]
    assert not [warning for one in loaded for warning in one.warnings]
    assert sum(len(one.samples) for one in loaded) == 16_097
    assert sum(len(one.samples) * one.task.epochs for one in loaded) == 19_465


def test_packed_cases_of_a_contest_problem_become_checks(stand_ins: Path) -> None:
    from harness.scorers import ProgramCase, ProgramCheck

    task = load_suite("livecodebench").tasks[0]
    samples = {sample.sample_id: sample for sample in load_task(task, data_dir=stand_ins).samples}
    reads_stdin = score(task.scorer, text="```python\nprint(2)\n```", sample=samples["lcb_4"])
    is_called = score(task.scorer, text="```python\ndef add(n): ...\n```", sample=samples["lcb_5"])
    assert isinstance(reads_stdin, ProgramCheck)
    assert isinstance(is_called, ProgramCheck)
    assert (reads_stdin.kind, is_called.kind, is_called.entry_point) == ("stdin", "call", "add")
    assert reads_stdin.cases == (ProgramCase(input="1", expected="5"), ProgramCase(input="2", expected="6"))
    assert is_called.cases == (ProgramCase(input="[1]", expected="6"), ProgramCase(input="[2]", expected="7"))


def test_sub_steps_name_the_steps_before_them_and_their_problem(stand_ins: Path) -> None:
    samples = load_task(load_suite("scicode").tasks[0], data_dir=stand_ins).samples
    assert len(samples) == 338
    third = next(sample for sample in samples if sample.sample_id == "5.3")
    assert third.metadata["group"] == "5"
    assert third.metadata["depends_on"] == ["5.1", "5.2"]
    assert not {"13.6", "62.1", "76.3"} & {sample.sample_id for sample in samples}
    last = next(sample for sample in samples if sample.sample_id == "76.4")
    assert last.metadata["depends_on"] == ["76.1", "76.2"]
    assert "def step_76_3(x)" in last.input


def test_a_grid_task_holds_all_its_test_inputs(tmp_path: Path) -> None:
    from tests.support.stand_ins import arc_agi_2

    arc_agi_2(tmp_path, tasks=3)
    loaded = load_task(load_suite("arc_agi_2").tasks[0], data_dir=tmp_path)
    assert [sample.sample_id for sample in loaded.samples] == ["00000000", "00000001", "00000002"]
    assert [len(json.loads(sample.target)) for sample in loaded.samples] == [2, 1, 1]
    for sample in loaded.samples:
        outcome = score(loaded.task.scorer, text=f"```json\n{sample.target}\n```", sample=sample)
        assert isinstance(outcome, Score)
        assert outcome.value == 1.0
