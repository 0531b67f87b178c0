"""What the system did to this process: memory, and cores taken away; 0 where it is not told."""

from __future__ import annotations

from pathlib import Path

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]

_OWN = Path("/proc/self")


def resident() -> int:
    """Bytes that are resident now."""
    return _field("VmRSS")


def peak() -> int:
    """The most bytes that were resident at once since `forget_peak`."""
    return _field("VmHWM")


def forget_peak() -> None:
    """Begin a new peak, where the system lets one."""
    try:
        (_OWN / "clear_refs").write_text("5", "ascii")
    except OSError:
        return


def preemptions() -> int:
    """How often this thread had to leave its core to another one."""
    which = getattr(resource, "RUSAGE_THREAD", None)
    return 0 if which is None else resource.getrusage(which).ru_nivcsw


def _field(name: str) -> int:
    try:
        lines = (_OWN / "status").read_text("utf-8").splitlines()
    except OSError:
        return 0
    sizes = [int(line.split()[1]) for line in lines if line.startswith(f"{name}:")]
    return 1024 * sizes[0] if sizes else 0
