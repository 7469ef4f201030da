"""A ledger beside its provider's account: what agrees, what only one of them knows, what was priced differently.

    ledger (ledger_side) -> `HeldAttempt`, account (account_side) -> `Bucket`
        -> by_request, or quantities and then prices_billed -> `Line`s, which add up exactly
        -> settled_bills (new facts in the ledger), reconciliation_page (what is shown)

`quantities` compares tokens, which no rounding or discount touches, and values them at list price; `prices_billed` then
explains what the bill makes of them. Each line has dollars here and there: their sums are the ledger's and the bill's.
"""
