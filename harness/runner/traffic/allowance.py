"""What one worker has taken of a bucket that all workers share: blocks, each there as it flows in.

Pure; the clock is an argument. Data flows blocks from the ledger -> `wait_s`, `take` -> what was not used, given back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Block:
    """A part of a bucket.

    Attributes:
        amount: in all.
        level: what was in the bucket when the block was taken; below zero, so much flows in for others first.
        per_s: what flows in, from `from_s` on.
        used: so much was spent.
    """

    amount: float
    level: float
    per_s: float
    from_s: float
    used: float = 0.0

    @property
    def left(self) -> float:
        """What was not spent."""
        return self.amount - self.used

    def there_at_s(self, amount: float) -> float:
        """When so much of it, spent or not, has flowed in."""
        return self.from_s + max(0.0, amount - self.level) / self.per_s


class Allowance:
    """Blocks of one bucket, the oldest spent first."""

    def __init__(self) -> None:
        self._blocks: deque[Block] = deque()
        self.left = 0.0

    def add(self, block: Block) -> None:
        """Take a block in."""
        self._blocks.append(block)
        self.left += block.left

    def there_at_s(self, amount: float) -> float | None:
        """When so much can be spent; None = that much is not in all blocks together."""
        at_s = float("-inf")
        for block in self._blocks:
            part = min(amount, block.left)
            at_s = max(at_s, block.there_at_s(block.used + part))
            amount -= part
            if amount <= 0.0:
                return at_s
        return None

    def take(self, amount: float) -> None:
        """Spend, whether it is there yet or not."""
        while self._blocks and amount > 0.0:
            block = self._blocks[0]
            part = min(amount, block.left)
            block.used += part
            self.left -= part
            amount -= part
            if block.left <= 0.0:
                self._blocks.popleft()
        if not self._blocks:
            self.left = 0.0

    def give_back(self) -> float:
        """Empty it; gives what was not spent."""
        left = self.left
        self._blocks.clear()
        self.left = 0.0
        return left
