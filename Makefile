# Every target is explained by `make help`. Two are enough to start: `make run` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
DATA ?=

help: ## explain every target
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(VENV)/.venv-made:
	@.ci/make-venv "$(PYTHON)" "$(VENV)"
	@touch $@

# an environment that was made in another folder, or whose Python is gone, is made anew
ifneq ($(shell .ci/stale-venv "$(VENV)"),)
$(info $(VENV) was made in another folder, or its Python is gone: it is made anew)
$(shell rm -rf "$(VENV)")
endif

$(VENV)/.installed: $(VENV)/.venv-made requirements.lock pyproject.toml
	@echo "installing benchtab into $(VENV) ..." >&2
	@.ci/install $(BIN) requirements.lock
	@.ci/compile $(BIN) & $(BIN)/pip install --quiet --no-deps --no-build-isolation -e . && wait $$!
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock requirements-suites.lock
	@echo "installing what tests need into $(VENV) ..." >&2
	@.ci/install $(BIN) requirements-dev.lock
	@.ci/install $(BIN) requirements-suites.lock --no-deps
	@touch $@

setup: $(VENV)/.installed ## create .venv with .venv/bin/benchtab in it, and install the sandbox where we may
	@.ci/debian-packages sandbox

run: setup ## run the starter suite on two simulated models and print the spend report
	@$(BIN)/benchtab run starter -m sim/reasoner -m sim/direct

# many containers forbid Python to write bytecode: every process of the tests would compile what it imports again
test: $(VENV)/.installed-dev ## install what tests need and run all tests
	@.ci/debian-packages tests
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

lint: $(VENV)/.installed-dev ## check format, lint, types and the import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.installed-dev ## measure the request path against its targets (both sides in one run)
	@$(BIN)/python -m benchmarks.requests

bench-http: $(VENV)/.installed-dev ## our HTTP client beside kept ones: CPU per request, and what each does with hostile answers
	@$(BIN)/python -m benchmarks.http_clients

bench-costs: $(VENV)/.installed-dev ## the spend report of 1,000,000 and 10,000,000 attempts; one call beside other libraries
	@$(BIN)/python -m benchmarks.costs --attempts 50000 1000000 10000000

bench-ledger: $(VENV)/.installed-dev ## CPU and bytes per attempt of the ledger's writer
	@$(BIN)/python -m benchmarks.ledger

ATTEMPTS = 1000000

bench-reports: $(VENV)/.installed-dev ## report, page and exports over 1,000,000 attempts beside bare scans (ATTEMPTS=10000000; DB=FILE keeps the ledger)
	@$(BIN)/python -m benchmarks.reports --attempts $(ATTEMPTS) $(if $(DB),--db "$(DB)")

bench-view: $(VENV)/.installed-dev ## pages of samples over 1,000,000 and 10,000,000 attempts: every filter and order (DB=FILE: a filled ledger)
	@$(BIN)/python -m benchmarks.view $(if $(DB),--db $(DB))

bench-sandbox: $(VENV)/.installed-dev ## the sandbox against plain subprocesses (DATA=DIR: HumanEval, else the starter suite)
	@$(BIN)/python -m benchmarks.sandbox $(if $(DATA),$(DATA)/humaneval/HumanEval.jsonl.gz)

bench-pacing: $(VENV)/.installed-dev ## time to finish against a rate-limited server, beside the ideal
	@$(BIN)/python -m benchmarks.pacing

FOLDERS = $(if $(DATA),$(DATA),.)

house: $(VENV)/.installed-dev ## how the code is built, beside what is wanted (DATA="DIR DIR": these checkouts, side by side)
	@$(BIN)/python -m benchmarks.house $(FOLDERS:%=--at %)

proof-recorded: $(VENV)/.installed-dev ## compare counts and dollars with recorded responses of real providers
	@$(BIN)/python -m benchmarks.recorded

proof-fuzz: $(VENV)/.installed-dev ## 200,000 spoiled usage payloads: no crash, no negative charge, no silent zero
	@$(BIN)/python -m benchmarks.fuzz_usage --n 200000

proof-scoring: $(VENV)/.installed-dev ## scorers against labelled answers (GSM8K, MATH-500), programs (HumanEval) and untidy replies
	@$(BIN)/python -m benchmarks.scoring
	@$(BIN)/python -m benchmarks.program_scoring

proof-ifbench: $(VENV)/.installed-dev ## verdicts on instructions beside the published IFBench checker: 2,000 made and spoiled replies to its 294 prompts
	@.ci/language-data .cache/language-data
	@$(BIN)/python -m benchmarks.instructions --language-data .cache/language-data

proof-long-context: $(VENV)/.installed-dev ## suite aa_lcr on a simulated model over its real documents: context-tier prices, dry run and bill, by hand
	@$(BIN)/python -m benchmarks.long_context

proof-books: $(VENV)/.installed-dev ## GSM8K through litellm, MMLU-Pro and faults directly: our ledger against the server's books (DATA=DIR)
	@$(BIN)/python -m benchmarks.books gsm8k --route litellm --models sim-reasoner sim-direct --data "$(DATA)"
	@$(BIN)/python -m benchmarks.books mmlu_pro --route direct --models sim-direct --data "$(DATA)"
	@$(BIN)/python -m benchmarks.books gsm8k --route direct --models sim-flaky --limit 300 --data "$(DATA)"

proof-budgets: $(VENV)/.installed-dev ## 200 runs under random caps with faults: the server's books never exceed one
	@$(BIN)/python -m benchmarks.budgets --runs 200

CASES = $(if $(DATA),$(DATA),../shared/cases)

proof-cases: $(VENV)/.installed-dev ## cases found in the world, each with the right value (DATA=DIR: their folder)
	@$(BIN)/python -m benchmarks.cases --data "$(CASES)"

proof-hostile: $(VENV)/.installed-dev ## broken servers, hostile suites and attacks of those cases (DATA=DIR: their folder)
	@$(BIN)/python -m benchmarks.cases --data "$(CASES)" --sets hostile

proof-crashes: $(VENV)/.installed-dev ## kill -9 at 200 random instants: nothing settled is sent twice, books agree
	@$(BIN)/python -m benchmarks.crashes --kills 200 --samples 2000

proof-batches: $(VENV)/.installed-dev ## 5,000 batch lines with restarts and kills: complete, half price, nothing twice
	@$(BIN)/python -m benchmarks.batches --lines 5000

proof-servers: $(VENV)/.installed-dev ## six providers that fail on purpose (llmock), direct and through litellm: its verdict on us, books agree
	@$(BIN)/python -W ignore -m benchmarks.servers

proof-money: $(VENV)/.installed-dev ## 200 runs over a server that bills good, failed, cut and odd answers: dollars stated = dollars in the ledger
	@$(BIN)/python -W ignore -m benchmarks.failing_servers --runs 200

proof-prices: $(VENV)/.installed-dev ## models priced, found by name, and charged as litellm and genai-prices do; load time (DATA=DIR)
	@$(BIN)/python -m benchmarks.prices --table "$(if $(DATA),$(DATA),../shared/facts)/bugs_usage.md"

proof-noise: $(VENV)/.installed-dev ## 200 nightly comparisons of noise alone: the gate's false alarms
	@$(BIN)/python -m benchmarks.nightly_noise

proof-view: $(VENV)/.installed-dev ## a server of the view beside 10,000 idle callers, deaf ones, and an answer of 100 MB
	@$(BIN)/python -m benchmarks.view_attacks

proof-scicode: $(VENV)/.installed-dev ## SciCode's reference solutions pass and wrong ones fail; its targets and comparisons beside its package's (DATA=DIR: the real targets)
	@$(BIN)/python -m benchmarks.scicode $(if $(DATA),--data "$(DATA)")

proof-precision: $(VENV)/.installed-dev ## 1,000 simulated models asked for +-1 and +-2 points: coverage, share of the bill, bank, ladder (DATA=DIR: and recorded results)
	@$(BIN)/python -m benchmarks.precision
	@$(if $(DATA),$(BIN)/python -m benchmarks.recorded_precision --data "$(DATA)")

proof-waves: $(VENV)/.installed-dev ## 50 kills of precision runs, and 30 whole ones through the command line held against the truth
	@$(BIN)/python -m benchmarks.precision_runs

RUNS = 200

proof-workers: $(VENV)/.installed-dev ## many workers, one PostgreSQL ledger: 200 runs with kills, zombies and restarts (RUNS=20); the server's books agree
	@$(BIN)/python -W ignore -m benchmarks.workers --runs $(RUNS)
	@$(BIN)/python -W ignore -m benchmarks.worker_pacing

proof-trajectories: $(VENV)/.installed-dev ## 200 chaotic runs of conversations, with fan-out, faults and kills: caps of runs and samples hold by the server's books (RUNS=20)
	@$(BIN)/python -W ignore -m benchmarks.trajectories --runs $(RUNS)

proof-reconcile: $(VENV)/.installed-dev ## 200 synthetic invoices with planted faults: each named, no false one, cents add up in all
	@$(BIN)/python -m benchmarks.reconciliation --invoices 200

proof-exports: $(VENV)/.installed-dev ## exports before their judges: the FOCUS validator, every-eval-ever, OpenTelemetry's messages and conventions
	@.ci/judges .cache/judges
	@$(BIN)/python -m benchmarks.judged_exports .cache/judges

LOGS = $(if $(DATA),$(DATA),../shared/data/imports)

proof-imports: $(VENV)/.installed-dev ## logs of other tools against sums that others made of them, and what must be refused (DATA=DIR: a folder a format)
	@$(BIN)/python -m benchmarks.imported_logs --data "$(LOGS)"

proof-harnesses: $(VENV)/.installed-dev ## Inspect, lm-eval and promptfoo run against the simulated server: their logs imported, beside its bill
	@.ci/harnesses .cache/harnesses
	@$(BIN)/python -m benchmarks.foreign_harnesses .cache/harnesses

bench-imports: $(VENV)/.installed-dev ## 1,000,000 generated calls into an empty ledger: seconds and megabytes
	@$(BIN)/python -m benchmarks.large_import --calls 1000000

proof-tau2: $(VENV)/.installed-dev ## every task of tau2-bench by scripted agents: the package's own orchestrator and rewards beside ours
	@$(BIN)/python -m benchmarks.tau2

proof-forecast: $(VENV)/.installed-dev ## 1,000 simulated bills forecast from 2.4 % of the money, ceilings with runaways, 30 whole runs with pilots
	@$(BIN)/python -m benchmarks.forecast

.PHONY: proof-trajectories proof-frames
proof-frames: $(VENV)/.installed-dev ## score, tokens and dollars by 4, 8, 16 and 32 frames a clip, on synthetic videos
	@$(BIN)/python -m benchmarks.frames

docs: $(VENV)/.installed-dev ## write the reference pages and the pictures (of the README, and of the view in Chromium) anew
	@$(BIN)/python -m docs.generate
	@$(BIN)/python -m docs.pictures
	@$(BIN)/python -m docs.view_pictures

lock: $(VENV)/.installed-dev ## pin the newest allowed versions by hash (names and hashes only)
	@.ci/lock "$(BIN)"

clean: ## remove the environment, caches and build products; results/ stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: proof-tau2 proof-long-context proof-ifbench proof-workers proof-view proof-harnesses proof-imports bench-imports proof-cases proof-hostile docs help setup run test lint bench bench-http bench-costs bench-ledger bench-reports bench-view bench-sandbox bench-pacing proof-recorded proof-fuzz proof-scoring proof-books proof-budgets proof-crashes proof-batches proof-servers proof-money proof-noise proof-precision proof-waves proof-forecast proof-prices proof-exports house lock clean proof-reconcile
