"""The proof of forecasts of bills: simulated models on a suite like the index, with the real pilot and arithmetic."""
