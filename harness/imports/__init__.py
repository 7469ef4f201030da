"""Logs of other tools, read into the ledger as if we had run them.

    FILE or FOLDER -> log_peeks (first look) -> known_formats (which format) -> units (which files belong together)
                   -> a reader: `Source` -> log_records, streamed -> into_ledger -> the ledger's own writer

To add a format, write one module in `harnesses/` (evaluation tools), `agents/` (agents and assistants) or `gateways/`
(providers, gateways, instrumentation) and one line in `known_formats.FORMATS`. `gateways/calls.py` is a complete
example. The module holds

1. `role_of(look) -> str | None`: recognises a file by its content (`look.top`: members of a JSON document, long arrays
   cut short; `look.first`: the first line of JSON Lines; `look.members`: of a zip; `look.tables`: of SQLite;
   `look.columns`: of CSV), and says what it is to the format ("log"; or "input", "output", "error" where several files
   make one run). A version that is not read is recognised, too: the reader then refuses it and names those that are.
2. `read(source) -> Iterator[Record]`: a generator that opens `source.files` through `containers/` and yields
   `ImportedRun` first, then samples, attempts and scores as they come. Hold no more than one sample of it in memory, or
   small facts per call. Files may be read twice (a header at the end: `walk(..., skip=True)`).
3. `FORMAT = Format(...)`, with `unit_of` where several files are one run, and `cannot_tell` for what the format lacks.

Rules: what the log does not say is None, never 0. `raise ImportRefused(what, where=...)` for what must not be imported:
nothing of the unit is kept, whatever was yielded before. `yield Broken(where, reason)` for a line that is lost alone.
`yield Noted(run, name, detail, lower_bound=...)` for what the report has to say (parts that do not sum to the stated
total, samples missing, retries lost). Of a sum and its parts yield one. Replays from the tool's own cache are attempts
of `status="reused"`. Failed calls have no score, or one without a value and with a reason. Usage comes from
`usages.provider_usage` where the log keeps the provider's own object, else from `usages.counted` (disjoint counts), or
`usages.unsure` where the numbers fit no rule. The same call has the same `identity` in every copy of the log.
"""
