"""A machine of its own under a real systemd: systemd-nspawn boots what is installed here, on a throw-away overlay.

Nothing outside the given folder changes: what the machine writes lies in memory and goes with it, its network is a
loopback alone, and its control groups are removed. Python and the packages that run the tests are shown to it under
/opt, for ProtectHome= hides /root and /home.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIFE_S = 240  # then it ends by itself, whatever became of who started it
BOOT_S = 40
COMMAND_S = 40
END_S = 10
_TOOLS = ("systemd-nspawn", "unshare", "nsenter", "setpriv", "timeout", "mount")
_HIERARCHIES = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd")
_TARGET = "[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n"
_PROGRAM = """#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/primefixd:/opt/pure:/opt/plat PYTHONDONTWRITEBYTECODE=1
exec /opt/python/bin/python{version} -m primefixd "$@"
"""
# $1: folder, $2: name of the control groups; then what to show under /opt. The overlay's upper layer must not lie in
# the lower one, so it is in memory; /run is hidden, where nspawn would leave traces.
_BOOT = """
set -e
folder=$1 group=$2; shift 2
for hierarchy in {hierarchies}; do
    [ -e $hierarchy/cgroup.procs ] || continue
    mkdir $hierarchy/$group; echo $$ > $hierarchy/$group/cgroup.procs
done
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs "$folder/layers"
mkdir "$folder/layers/upper" "$folder/layers/work" "$folder/layers/root"
cp -r "$folder/files/." "$folder/layers/upper"
cd "$folder/layers"
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
exec timeout --kill-after=5 {life} systemd-nspawn --quiet --boot --directory=root --machine=$group \\
    --register=no --keep-unit --private-network --link-journal=no --resolv-conf=off --timezone=off --console=pipe \\
    "$@" systemd.unit=under-test.target systemd.mask=systemd-networkd-wait-online.service \\
    systemd.mask=NetworkManager-wait-online.service
"""


class Machine:
    """A booted machine. `run` runs a command in it, as root."""

    def __init__(self, leader: int) -> None:
        self._enter = ["nsenter", "--target", str(leader), "--all", "--wd=/", "env", "-i", f"PATH={os.defpath}:/sbin"]

    def run(self, *command: str, check: bool = True) -> str:
        """What it prints. Raises AssertionError, with all that it said, if it fails and `check`."""
        done = subprocess.run(
            [*self._enter, *command],
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0 or not check, (command, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """A file, readable by all, with its folders."""
        self.run("sh", "-c", 'mkdir -p "${1%/*}" && printf %s "$2" > "$1"', "sh", path, text)


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """Booted with the repository's primefixd as /usr/bin/primefixd. Skips the test where none can be booted."""
    if os.geteuid() != 0:
        pytest.skip("only root can boot a machine with systemd-nspawn")
    missing = [tool for tool in _TOOLS if not shutil.which(tool)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (packages systemd-container, util-linux, coreutils)")
    group = f"primefixd-{os.getpid()}"
    _prepare(folder)
    with (folder / "console").open("wb") as console:
        started = subprocess.Popen(
            _command(folder, group), stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
        )
        try:
            yield _booted(started, folder)
        finally:
            _end(started)
            _forget(group)


def _command(folder: Path, group: str) -> list[str]:
    script = _BOOT.format(hierarchies=" ".join(_HIERARCHIES), life=LIFE_S)
    shown = {"python": sys.base_prefix, "pure": sysconfig.get_path("purelib"), "plat": sysconfig.get_path("platlib")}
    binds = [f"--bind-ro={path}:/opt/{name}" for name, path in shown.items()]
    bound_to_us = ["setpriv", "--pdeathsig=TERM", "unshare", "--mount", "--propagation=private"]
    return [*bound_to_us, "sh", "-c", script, "sh", str(folder), group, *binds]


def _prepare(folder: Path) -> None:
    files = folder / "files"
    for part in ("usr/bin", "opt/primefixd", "etc/systemd/system"):
        (files / part).mkdir(parents=True)
    (folder / "layers").mkdir()
    shutil.copytree(ROOT / "primefixd", files / "opt/primefixd/primefixd", ignore=shutil.ignore_patterns("__pycache__"))
    (files / "etc/systemd/system/under-test.target").write_text(_TARGET)
    program = files / "usr/bin/primefixd"
    program.write_text(_PROGRAM.format(version=sysconfig.get_python_version()))
    subprocess.run(["chmod", "-R", "a+rX", str(files)], check=True)
    program.chmod(0o755)


def _booted(started: "subprocess.Popen[bytes]", folder: Path) -> Machine:
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline and started.poll() is None:
        leader = _systemd_below(started.pid)
        if leader is not None:
            made = Machine(leader)
            if made.run("systemctl", "is-active", "under-test.target", check=False).strip() == "active":
                return made
        time.sleep(0.1)
    pytest.skip(f"systemd-nspawn boots nothing here: {(folder / 'console').read_text()[-500:]}")


def _systemd_below(pid: int) -> int | None:
    """The first process of the machine, as this one numbers it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:  # it has just ended
            continue
        parents[int(stat.parent.name)] = (int(rest.split()[1]), name.partition("(")[2])
    for child, (parent, name) in parents.items():
        if name == "systemd" and parents.get(parent, (0, ""))[1] == "systemd-nspawn" and _below(parent, pid, parents):
            return child
    return None


def _below(pid: int, ancestor: int, parents: dict[int, tuple[int, str]]) -> bool:
    while pid in parents and pid != ancestor:
        pid = parents[pid][0]
    return pid == ancestor


def _end(started: "subprocess.Popen[bytes]") -> None:
    """The first SIGTERM would shut it down in order, which takes its time; the second ends it at once."""
    for _ in range(2):
        started.terminate()
        time.sleep(0.2)
    try:
        started.wait(END_S)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()


def _forget(group: str) -> None:
    for hierarchy in _HIERARCHIES:
        for folder in sorted(Path(hierarchy, group).glob("**/"), reverse=True):
            for _ in range(50):  # the last of its processes may still be on their way out
                try:
                    folder.rmdir()
                    break
                except OSError:
                    time.sleep(0.1)
