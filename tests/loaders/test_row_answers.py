"""Options and references of rows: the forms of well-known data sets are read, whatever is no text is named."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.loaders.row_answers import BadRowError, options_of, references_of
from harness.suites import DatasetRef
from tests.loaders.test_loaders import ROW, SUITE, mine, question

NAN = math.nan


@pytest.mark.parametrize(
    ("value", "texts", "labels"),
    [
        (["a", "b"], ("a", "b"), None),
        ('["a", "b"]', ("a", "b"), None),
        ("['a', 'b']", ("a", "b"), None),
        ([["a", "b", "c"]], ("a", "b", "c"), None),
        ("[['a', 'b', 'Not enough information']]", ("a", "b", "Not enough information"), None),
        ({"text": ["a", "b"], "label": ["A", "B"]}, ("a", "b"), None),
        ({"text": ["a", "b"], "label": ["1", "2"]}, ("a", "b"), ("1", "2")),
        ({"A": "a", "B": "b"}, ("a", "b"), None),
        ([{"label": "(A)", "text": "a"}, {"label": "(B)", "text": "b"}], ("a", "b"), None),
        ([{"id": "x", "content": "a"}, {"id": "y", "content": "b"}], ("a", "b"), ("x", "y")),
        ([{"text": "a"}, {"text": "b"}], ("a", "b"), None),
        ([1, 2.5], ("1", "2.5"), None),
        (["a", "b", None], ("a", "b"), None),
        (["a", "b", NAN, None], ("a", "b"), None),
    ],
)
def test_options_are_read_in_the_forms_that_data_sets_have(
    value: Any, texts: tuple[str, ...], labels: tuple[str, ...] | None
) -> None:
    read = options_of(value)
    assert (read.texts, read.labels) == (texts, labels)


@pytest.mark.parametrize(
    "value",
    [
        ["a", None, "c"],
        ["a", NAN, "c"],
        ["a", ["b"]],
        ["a", {"role": "user"}],
        ["a", ""],
        ["only one"],
        [None, None],
        "no list",
        7,
        {"text": "a", "label": ["A"]},
        {"text": ["a", "b"], "label": ["A", "A"]},
        {"text": ["a", "b", "c"], "label": ["A", "B"]},
    ],
    ids=repr,
)
def test_an_option_that_is_no_text_is_never_shown_as_one(value: Any) -> None:
    with pytest.raises(BadRowError, match="choices"):
        options_of(value)


def test_a_label_of_the_data_set_names_its_option() -> None:
    dataset = DatasetRef(path="x", target_form="letter")
    numbered = options_of({"text": ["a", "b", "c"], "label": ["1", "2", "3"]})
    assert references_of(dataset, "3", numbered) == ("C",)
    assert references_of(dataset, "(b)", options_of(["a", "b"])) == ("B",)


@pytest.mark.parametrize(
    ("value", "references"),
    [
        ("Ottawa", ("Ottawa",)),
        (["Ottawa", "City of Ottawa"], ("Ottawa", "City of Ottawa")),
        ({"value": "Ottawa", "aliases": ["Ottawa", "City of Ottawa"]}, ("Ottawa", "City of Ottawa")),
        ({"text": ["in 1867", "1867"], "answer_start": [3, 6]}, ("in 1867", "1867")),
        (12, ("12",)),
        (NAN, ("",)),
        (None, ("",)),
    ],
)
def test_every_listed_answer_is_a_reference(value: Any, references: tuple[str, ...]) -> None:
    assert references_of(DatasetRef(path="x"), value, None) == references


@pytest.mark.parametrize(
    "value",
    [[{"role": "assistant", "content": "Ottawa"}], {"other": 1}, [None], [["a"]], ["a", NAN], [], b"Ottawa"],
    ids=repr,
)
def test_a_reference_that_is_no_answer_is_refused_and_not_written_as_python(value: Any) -> None:
    with pytest.raises(BadRowError, match="target"):
        references_of(DatasetRef(path="x"), value, None)


def test_a_scorer_that_takes_one_answer_refuses_several(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        mine(tmp_path, [question(1, key=["A", "B"])])
    assert "only the scorers text take several" in str(caught.value)


TEXT = SUITE.replace('"multiple_choice"', '"text"').replace("\\n{choices}", "").replace('target_form = "letter"\n', "")
TEXT = TEXT.replace(', choices = "options"', "")


@pytest.mark.parametrize(
    "asked", [[{"role": "user", "content": "Which?"}], {"text": "Which?"}, NAN, None, [None], b"Which?"], ids=repr
)
def test_a_question_that_is_no_text_is_named(asked: Any, tmp_path: Path) -> None:
    row: Any = json.dumps(ROW | {"q": asked}, default=lambda one: {"bytes": one.decode()})
    with pytest.raises(InputError, match=r"row 1 field 'question': column 'q' is"):
        mine(tmp_path, [row], suite=TEXT)


def test_a_path_goes_into_lists_of_messages_and_may_be_optional(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": "Which?"}, {"role": "assistant", "content": "A"}], "m": {"s": "old"}},
        {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "B"}]},
    ]
    mapped = TEXT.replace('question = "q"', 'question = "messages.0.content", subject = "m.s?"')
    loaded = mine(tmp_path, rows, suite=mapped.replace('target = "key"', 'target = "messages.-1.content"'))
    assert [(one.target, dict(one.metadata)) for one in loaded.samples] == [("A", {"subject": "old"}), ("B", {})]


def test_a_row_that_cannot_be_used_is_left_out_and_named_if_the_suite_says_so(tmp_path: Path) -> None:
    rows = [question(1), "{broken", question(3, options=["a", None, "c"])]
    suite = SUITE.replace("target_form", 'on_bad_row = "leave_out"\ntarget_form')
    loaded = mine(tmp_path, rows, suite=suite)
    assert len(loaded.samples) == 1
    named = "\n".join(loaded.warnings)
    assert "rows.jsonl row 2: is not JSON" in named
    assert "rows.jsonl row 3 field 'choices': option 2 is no text" in named


def test_data_of_which_no_row_can_be_used_stops_in_any_case(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 mistake"):
        mine(tmp_path, ["{broken"], suite=SUITE.replace("target_form", 'on_bad_row = "leave_out"\ntarget_form'))


CSV = TEXT.replace("target_form", "")


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_csv_file_without_a_header_line_gets_its_column_names_from_the_suite(ending: str, tmp_path: Path) -> None:
    mark = "," if ending == "csv" else "\t"
    (tmp_path / f"rows.{ending}").write_text(f"What is 1+1?{mark}2\nWhat is 2+2?{mark}4\n")
    loaded = mine(tmp_path, [], name=f"rows.{ending}", suite=CSV.replace("fields", 'columns = ["q", "key"]\nfields'))
    assert [one.target for one in loaded.samples] == ["2", "4"]


@pytest.mark.parametrize("row", ['2,"Bern', '2,"Be"rn'])
def test_a_quote_that_swallows_rows_is_refused_where_it_stands(row: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(f"q,key\n1,Aare\n{row}\n3,Thun\n4,Eiger\n")
    with pytest.raises(InputError, match=r"rows\.csv row 2"):
        mine(tmp_path, [], name="rows.csv", suite=CSV)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet", "rows.json"])
def test_a_git_lfs_pointer_is_called_one(name: str, tmp_path: Path) -> None:
    pointer = ["version https://git-lfs.github.com/spec/v1", "oid sha256:4d7a", "size 6667575"]
    (tmp_path / name).write_text("\n".join(pointer))
    with pytest.raises(InputError, match="git lfs pull"):
        mine(tmp_path, list(pointer), name=name)


@pytest.mark.parametrize("field", ["id", "q", "key"])
def test_half_an_emoji_in_a_row_becomes_a_mark_that_every_text_can_hold(field: str, tmp_path: Path) -> None:
    row = {"id": "one", "q": "smile?", "key": "A", field: "x \ud83d y"}
    suite = TEXT.replace("fields = {", 'fields = { id = "id",')
    (sample,) = mine(tmp_path, [row], suite=suite).samples
    assert "\ufffd" in f"{sample.sample_id}{sample.input}{sample.target}"
    assert "\ud83d" not in f"{sample.sample_id}{sample.input}{sample.target}"


def test_sample_id_and_id_name_the_same_field(tmp_path: Path) -> None:
    rows = [{"q": "a?", "key": "x", "n": 1}, {"q": "b?", "key": "y", "n": 2}]
    suite = TEXT.replace("fields = {", 'fields = { sample_id = "n",')
    assert [one.sample_id for one in mine(tmp_path, rows, suite=suite).samples] == ["1", "2"]
    with pytest.raises(InputError, match="the id occurs 2 times"):
        mine(tmp_path, [rows[0], rows[0]], suite=suite)
    with pytest.raises(InputError, match="both `id` and `sample_id`"):
        mine(tmp_path, rows, suite=suite.replace("sample_id", 'id = "n", sample_id'))


def leave(folder: Path, outside: Path, how: str) -> str:
    """Write a way out of a suite's folder."""
    if how == "link":
        (folder / "rows.jsonl").symlink_to(outside)
    if how == "folder link":
        (folder / "data").symlink_to(outside.parent)
    places = {
        "parent": "../outside/secret.jsonl",
        "absolute": str(outside),
        "pattern": "../*/secret.jsonl",
        "link": "rows.jsonl",
        "folder link": "data/secret.jsonl",
    }
    return places[how]


@pytest.mark.parametrize("how", ["parent", "absolute", "pattern", "link", "folder link"])
def test_a_suite_reads_nothing_outside_its_folder_unless_the_user_names_that_folder(how: str, tmp_path: Path) -> None:
    from harness.loaders import load_suite, load_task

    outside = tmp_path / "outside" / "secret.jsonl"
    outside.parent.mkdir()
    outside.write_text(json.dumps(ROW) + "\n")
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "mine.toml").write_text(SUITE % leave(folder, outside, how))
    (task,) = load_suite(str(folder / "mine.toml")).tasks
    with pytest.raises(InputError, match="leads out of the suite's folder"):
        load_task(task, suite_path=folder / "mine.toml")
    assert len(load_task(task, suite_path=folder / "mine.toml", data_dir=outside.parent).samples) == 1


def packed(folder: Path, how: str) -> str:
    """Write a small archive that unpacks to more than its size can explain."""
    import gzip
    import io
    import tarfile

    spaces = gzip.compress(b" " * (80 * 2**20))
    if how == "gzip":
        (folder / "rows.jsonl.gz").write_bytes(spaces)
        return "rows.jsonl.gz"
    if how == "gzip of json":
        (folder / "rows.json.gz").write_bytes(spaces)
        return "rows.json.gz"
    name = "rows.jsonl.gz" if how == "gzip in tar" else "rows.jsonl"
    content = spaces if how == "gzip in tar" else b" " * (80 * 2**20)
    with tarfile.open(folder / "rows.tar.gz", "w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return f"rows.tar.gz!{name}"


@pytest.mark.parametrize("how", ["gzip", "gzip of json", "tar", "gzip in tar"])
def test_a_small_archive_cannot_fill_the_memory(how: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unpacks to more than"):
        mine(tmp_path, [], name=packed(tmp_path, how))


INDEX = 'name = "mine"\nversion = "1"\ntitle = "M"\n[[members]]\nsuite = "%s"\nweight = %s\n'
ENDLESS = {
    "nested": "a = " + "[" * 100_000,
    "index of itself": INDEX % ("mine", "1"),
    "endless weight": INDEX % ("starter", "inf"),
    "epochs past counting": SUITE.replace("scorer", "epochs = 9999999999\nscorer") % "rows.jsonl",
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_suite_file_that_never_ends_is_one_clear_error(text: str, tmp_path: Path) -> None:
    from harness.loaders import load_suite

    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InputError):
        load_suite(str(tmp_path / "mine.toml"))


def test_a_deep_json_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("[" * 200_000)
    with pytest.raises(InputError, match="is not JSON"):
        mine(tmp_path, [], name="rows.json")


def test_price_files_and_nightly_configs_that_never_end_are_one_clear_error(tmp_path: Path) -> None:
    from harness.nightly.config import read_config
    from harness.pricing.price_files import load_price_book

    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000)
    for read in (lambda: load_price_book(tmp_path), lambda: read_config(tmp_path / "deep.toml")):
        with pytest.raises(InputError, match="nested too deep"):
            read()
