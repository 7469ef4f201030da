"""What a published spend table determines: prices, token ranges, group totals; solved, never typed in."""
