"""`make bench`: measure on this machine, and print a line for each figure."""

from __future__ import annotations

from benchmarks import choose, cold, controller, plugin, registry, resolver, rewrite


def main() -> None:
    """All benchmarks, one after another."""
    for module in (rewrite, choose, cold, plugin, registry, resolver, controller):
        for row in module.run():
            target = f"(target {row.target})" if row.target else ""
            print(f"{row.figure:9.1f} {row.unit:8} {row.name} {target}\n{'':19}{row.method}")


if __name__ == "__main__":
    main()
