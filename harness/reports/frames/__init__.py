"""What more frames of a video buy: score, tokens and dollars against frames per clip."""
