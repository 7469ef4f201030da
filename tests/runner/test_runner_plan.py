"""The plan: drawn before the first request, reproducible, unbiased in every prefix."""

from __future__ import annotations

from collections import Counter

from harness.runner.plan import LoadedSuite, plan, plan_sha256, sample_sha256
from harness.suites import DatasetRef, LoadedTask, Sample, ScorerRef, Suite, Task


def _task(name: str, samples: list[Sample], *, epochs: int = 1) -> LoadedTask:
    task = Task(
        name=name,
        dataset=DatasetRef(path="made/up", local="x.jsonl"),
        prompt="{question}",
        scorer=ScorerRef(name="text"),
        epochs=epochs,
    )
    return LoadedTask(task=task, samples=tuple(samples), revision="local:x", samples_sha256="0")


def _samples(task: str, count: int) -> list[Sample]:
    return [Sample(task=task, sample_id=f"{task}-{i}", input=f"{task} {i}?", target=str(i)) for i in range(count)]


def _suite(*tasks: LoadedTask) -> LoadedSuite:
    suite = Suite(name="s", version="1", title="S", tasks=tuple(task.task for task in tasks))
    return LoadedSuite(suite=suite, tasks=tasks)


def test_the_same_seed_draws_the_same_order_and_another_seed_another() -> None:
    loaded = [_suite(_task("a", _samples("a", 50)))]
    first, again, other = plan(loaded, seed=1), plan(loaded, seed=1), plan(loaded, seed=2)
    ids = [[item.sample.sample_id for chain in drawn for item in chain] for drawn in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]
    assert sorted(ids[0]) == sorted(ids[2])


def test_a_limit_takes_the_first_draws_of_each_task_with_their_inclusion_probability() -> None:
    loaded = [_suite(_task("a", _samples("a", 40)), _task("b", _samples("b", 10)))]
    chains = plan(loaded, seed=0, limit=4)
    items = [item for chain in chains for item in chain]
    assert Counter(item.task.name for item in items) == {"a": 4, "b": 4}
    assert {item.task.name: item.inclusion_probability for item in items} == {"a": 0.1, "b": 0.4}
    whole = [item for chain in plan(loaded, seed=0) for item in chain]
    kept = {item.sample.sample_id for item in items if item.task.name == "a"}
    assert kept == {item.sample.sample_id for item in whole if item.task.name == "a"} & kept
    assert [item.sample.sample_id for item in whole if item.task.name == "a"][:4] == [
        item.sample.sample_id for item in items if item.task.name == "a"
    ]


def test_every_prefix_of_a_plan_holds_each_task_in_proportion() -> None:
    loaded = [_suite(_task("large", _samples("large", 300)), _task("small", _samples("small", 30)))]
    items = [item for chain in plan(loaded, seed=3) for item in chain]
    for prefix in (33, 110, 220):
        counts = Counter(item.task.name for item in items[:prefix])
        assert abs(counts["small"] - prefix / 11) <= 1, (prefix, counts)
    assert [item.draw_order for item in items] == list(range(330))


def test_all_samples_come_once_before_any_comes_a_second_time() -> None:
    loaded = [_suite(_task("a", _samples("a", 10), epochs=3))]
    epochs = [item.epoch for chain in plan(loaded, seed=0) for item in chain]
    assert epochs == [0] * 10 + [1] * 10 + [2] * 10
    assert len(plan(loaded, seed=0, epochs=1)) == 10


def test_dependent_samples_stay_together_and_in_order() -> None:
    steps = [
        Sample(task="a", sample_id=f"p{p}.{s}", input="?", target="", metadata={"group": f"p{p}"})
        for p in range(5)
        for s in range(3)
    ]
    chains = plan([_suite(_task("a", steps))], seed=7, limit=2)
    assert [[item.sample.sample_id[3:] for item in chain] for chain in chains] == [["0", "1", "2"]] * 2
    assert all(item.inclusion_probability == 2 / 5 for chain in chains for item in chain)


def test_the_digest_of_a_plan_changes_with_prompts_targets_and_options() -> None:
    loaded = [_suite(_task("a", _samples("a", 3)))]
    changed = [_suite(_task("a", [*_samples("a", 2), Sample(task="a", sample_id="a-2", input="a 2?", target="x")]))]
    digest = plan_sha256(plan(loaded, seed=0), {"temperature": None})
    assert digest == plan_sha256(plan(loaded, seed=0), {"temperature": None})
    assert digest != plan_sha256(plan(loaded, seed=0), {"temperature": 0.0})
    assert digest != plan_sha256(plan(changed, seed=0), {"temperature": None})
    assert sample_sha256(_samples("a", 1)[0]) != sample_sha256(_samples("b", 1)[0])
