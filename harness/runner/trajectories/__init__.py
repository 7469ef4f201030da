"""Samples that are conversations of many requests: who speaks next, what ends them, how a later session goes on."""
