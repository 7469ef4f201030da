"""What a model's reply is made of: thinking text, fenced code, a program. Pure."""
