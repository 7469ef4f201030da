"""Price lists of other projects (litellm's map, genai-prices' data), read and turned into rows of our own."""
