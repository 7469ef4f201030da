"""What every command shares: options, help, output, completion."""
