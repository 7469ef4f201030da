"""What `benchtab run` and `benchtab worker` import: imported once, before their processes are forked."""

import harness.cli.app
import harness.cli.report
import harness.cli.run
import harness.cli.worker
import harness.pricing.price_files
import harness.providers.openai_compatible
import harness.rendering.progress
import harness.runner.workers.driver
import harness.runner.workers.one_worker  # noqa: F401
