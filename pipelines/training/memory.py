"""How much memory this machine, or the container in which the process runs, has left."""

from pathlib import Path

#: Where Linux says what a container may use.
_CGROUP = Path("/sys/fs/cgroup")


def free_bytes() -> int:
    """Bytes that a process may still take."""
    import psutil

    return min([int(psutil.virtual_memory().available), *_container_bytes()])


def _container_bytes() -> list[int]:
    """Memory that the process's control group has left; nothing where there is no limit. Files' pages can be freed."""
    try:
        limit, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        pages = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        return [max(0, limit - used + int(pages["inactive_file"]))]
    except (OSError, ValueError, KeyError):  # no such group, or the limit is "max"
        return []
