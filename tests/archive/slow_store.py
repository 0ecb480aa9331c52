"""An object store with a real one's latency: a folder behind an address, which keeps a list of what was fetched."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from workbench.archive import remote

LATENCY = 0.03  # seconds of a request
LOG = "FETCHED_LOG"  # variable: the file that gets a line for each object


class SlowStore(LocalFileSystem):  # type: ignore[misc]
    """A folder as `slow://`."""

    protocol = "slow"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("slow://")))

    def get_file(self, rpath: str, lpath: str, **options: Any) -> None:
        time.sleep(LATENCY)
        super().get_file(rpath, lpath, **options)
        with Path(os.environ[LOG]).open("a", encoding="utf-8") as log:
            log.write(f"{Path(rpath).name}\n")


def register() -> None:
    fsspec.register_implementation("slow", SlowStore, clobber=True)


def fetch(address: str, data: str, objects: str) -> None:
    """Fetch, and die after so many objects; 0 dies never."""
    register()
    whole, fetched = remote._Copy.fetch, []

    def fetch_one(copy: Any, store: Any, name: str, wanted: Any) -> None:
        whole(copy, store, name, wanted)
        fetched.append(name)
        if len(fetched) == int(objects):
            os._exit(9)

    remote._Copy.fetch = fetch_one  # type: ignore[method-assign,assignment]
    remote.local(address, Path(data), lambda _: None)
