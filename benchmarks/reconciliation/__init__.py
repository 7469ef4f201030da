"""Synthetic invoices with planted faults: `benchtab reconcile` names each of them, and its cents add up."""
