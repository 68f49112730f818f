"""A clock that a relay goes by and a test sets, with libfaketime."""

from pathlib import Path

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")     # Debian's package libfaketime


class Clock:
    """The `environment` is for the relay; its steady clock goes on as ever."""

    def __init__(self, file: Path) -> None:
        assert LIBRARY.exists(), f"there is no {LIBRARY}"
        self._file = file
        self.set(0)
        self.environment = {"LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_CACHE_DURATION": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def set(self, seconds: int) -> None:
        """So many ahead, within a second."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}", encoding="ascii")
        fresh.rename(self._file)
