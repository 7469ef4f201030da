"""What a run was asked for: arguments, their bounds, addresses, refusals, the command line that says it again."""
