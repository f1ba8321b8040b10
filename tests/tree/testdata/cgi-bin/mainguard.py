#!/usr/bin/python3
from __future__ import annotations

import dataclasses
import functools
import pickle
import typing


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0

    def far(self: Point) -> typing.Optional[int]:
        return self.x + self.y


@functools.lru_cache
def double(n: int) -> int:
    return 2 * n


def main() -> None:
    print("Content-Type: text/plain\n")
    print(pickle.loads(pickle.dumps(Point(double(1), 2))), Point(1).far.__annotations__, Point.__module__)


if __name__ == "__main__":
    main()
