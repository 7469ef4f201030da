"""Runs that are asked in waves, as the ledger has them: their frozen design, what was drawn, and what came of it.

Data flows a run's config, draws, attempts and scores -> designs and states of `harness.precision`. What is planned and
what is reported is made of the same states, so that a resumed run and a report say what the run itself knew.
"""
