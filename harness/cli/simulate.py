"""`benchtab simulate`: parse the options, load the answer key, serve until told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.output import print_out, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.simulation.server import SimulationServer
    from harness.simulation.simulated_models import AnswerKey


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("simulate", epilog=EXAMPLES)(simulate)


EXAMPLES = examples(
    "benchtab simulate --port 8321 --suite gsm8k --data DIR",
    "URL=http://127.0.0.1:8321/v1   # what it printed; in another terminal:",
    "benchtab run starter -m openai-compatible/sim-reasoner --base-url $URL",
)


def simulate(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 lets the system choose.")] = 8321,
    suite: Annotated[
        list[str] | None,
        typer.Option(help="Suite whose questions the models can answer; repeatable. Default: starter."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with local data sets, as for `benchtab run`.")] = None,
    frames: Annotated[
        list[str] | None,
        typer.Option(metavar="N|every=K", help="Frames of videos, as for `benchtab run`; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed gives other answers.")] = 0,
    billing_log: Annotated[Path | None, typer.Option(help="File for one JSON line per request seen.")] = None,
    delay_ms: Annotated[
        float, typer.Option(min=0, help="Wait before every answer (the median, with --delay-log-sd).")
    ] = 0,
    delay_log_sd: Annotated[
        float, typer.Option(min=0, help="Spread of the delays on a log scale; 0 = all the same.")
    ] = 0,
    rate_limit: Annotated[
        float | None, typer.Option(min=0.001, help="Requests a second; more are answered 429 with Retry-After.")
    ] = None,
    host: Annotated[str, typer.Option(help="A loopback address of this machine.")] = "127.0.0.1",
) -> None:
    """Serve the simulated models over HTTP (OpenAI chat completions with tools) on this machine only.

    Prints the base URL on stdout when it is ready; stops on Ctrl-C or SIGTERM with a complete billing log.
    Models: sim-reasoner, sim-direct, sim-flaky; sim-user plays users; sim-looper, sim-garbler and sim-fanout misbehave
    with tools. GET /health and GET /stats (sums of what was billed).
    """
    import asyncio
    import gc

    import uvloop

    from harness.simulation.server import Pace, SimulationServer

    key = _answer_key(suite or ["starter"], data, frames or [None])
    pace = Pace(delay_ms=delay_ms, delay_log_sd=delay_log_sd, requests_per_s=rate_limit)
    server = SimulationServer(key, seed=seed, billing_log=billing_log, pace=pace)
    gc.collect()
    gc.freeze()  # the key lives as long as the process: the collector need not walk it again and again
    conversations = f", {len(key.scripts)} known conversations" if key.scripts else ""
    say(f"benchtab: simulated models, {len(key)} known prompts{conversations}, seed {seed}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(server, host, port))


async def _serve(server: SimulationServer, host: str, port: int) -> None:
    import asyncio
    import signal

    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        await server.start(host=host, port=port)
        print_out(server.url)
        await stop.wait()
    finally:
        await server.stop()


def _answer_key(suites: list[str], data: Path | None, frames: Sequence[str | None]) -> AnswerKey:
    from harness.loaders.suite_files import framed, load_suite, suite_file
    from harness.loaders.tasks import load_task
    from harness.runner.options.frame_options import frames_of, parse_frames
    from harness.simulation.simulated_models import AnswerKey

    choices = [frames_of(None if each is None else parse_frames(each)) for each in frames]
    tasks = [
        (task, suite_file(name))
        for name in suites
        for choice in choices
        for task in framed(load_suite(name), choice).tasks
    ]
    return AnswerKey.from_samples(
        (sample, task.scorer.name)
        for task, path in tasks
        for sample in load_task(task, suite_path=path, data_dir=data).samples
    )
