"""Two models, two runs, two nights: differences with intervals, gates and verdicts."""
