"""The local web view of a ledger: pages that a server on this machine renders, and that nothing leaves."""
