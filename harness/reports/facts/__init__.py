"""From the ledger to priced facts of each suite and model."""
