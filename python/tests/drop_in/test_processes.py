"""Many processes on one cache, those of the original among them, and processes that are killed.

`TOKENKEEP_PYTHON_UPDATES` is the number of sign-ins of each process, and
`TOKENKEEP_PYTHON_KILLS` the number of kills.
"""

import importlib
import json
import os
import random
import signal
import subprocess
import sys
import sysconfig
import time

import peers
import pytest

from tokenkeep import msal_extensions as ours

UPDATES = int(os.environ.get("TOKENKEEP_PYTHON_UPDATES", "20"))
KILLS = int(os.environ.get("TOKENKEEP_PYTHON_KILLS", "60"))

WORKER = """
import logging, sys, time
sys.path.append(sys.argv[1])
import peers
from msal_extensions import FilePersistence, LockError, PersistedTokenCache

class ReadsAgain(PersistedTokenCache):
    # The original compares times, and may take a change of others for none of them.
    def _reload_if_necessary(self):
        if "tokenkeep" not in PersistedTokenCache.__module__:
            self._last_sync = 0
        super()._reload_if_necessary()

class EnteredBeside(logging.Handler):
    # With portalocker the original waits 5 s for a lock, and then enters beside its holder.
    def emit(self, record):
        if "failed to create lock file" in record.getMessage():
            print("beside", flush=True)

logging.getLogger("msal_extensions.cache_lock").addHandler(EnteredBeside())
cache = ReadsAgain(FilePersistence(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[4])):
    client = f"{sys.argv[3]}-{number}"
    try:
        cache.add(peers.sign_in(client, token="x" * 500))
    except LockError:
        print("refused", flush=True)
    else:
        print(client, flush=True)
    # As long as a program is busy with other things.
    time.sleep(0.1)
"""


@pytest.mark.parametrize("lock", peers.LOCKS)
def test_nothing_that_was_acknowledged_is_lost_beside_the_original(location, lock):
    folder = os.path.dirname(peers.__file__)
    ours.FilePersistence(location)
    workers = []
    for number in range(8):
        kind = lock if number % 2 else "ours"
        name = f"{kind}-{number}"
        env = {"PYTHONPATH": os.pathsep.join(sys.path)} if kind == "ours" else {}
        code = WORKER if kind != "ours" else "msal_extensions.install()\n" + WORKER
        workers.append((kind, peers.start(kind, code, folder, location, name, UPDATES, env=env)))
    for _, worker in workers:
        assert worker.stdout.readline() == "ready\n"
    begun = time.monotonic()
    for _, worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    said = {"ours": [], lock: []}
    for kind, worker in workers:
        output, _ = worker.communicate()
        assert worker.returncode == 0
        said[kind] += output.split()
    took = time.monotonic() - begun
    refused = {kind: lines.count("refused") for kind, lines in said.items()}
    stored = set(peers.clients(ours.PersistedTokenCache(ours.FilePersistence(location))))
    beside = said[lock].count("beside")
    answers = {"refused", "beside"}
    lost = {kind: sorted(set(lines) - stored - answers) for kind, lines in said.items()}
    print(
        f"measured: 4 processes of ours and 4 of msal-extensions ({lock}), {UPDATES} sign-ins "
        f"each: {took:.1f} s; lost {len(lost['ours'])} of ours and {len(lost[lock])} of the "
        f"original; refused by the lock {refused['ours']} and {refused[lock]}; the original "
        f"entered beside a holder {beside} times",
        file=sys.stderr,
    )
    assert refused["ours"] == 0
    assert beside == 0 or lock == "portalocker"
    # Two originals inside the lock overwrite each other and all that is there.
    if beside == 0:
        assert lost == {"ours": [], lock: []}


def sign_in_until_killed(package, location, say):
    cache = package.PersistedTokenCache(package.FilePersistence(location))
    for number in range(10_000):
        cache.add(peers.sign_in(f"c{number}", token="x" * 500))
        os.write(say, b"%d\n" % number)


def killed_at_some_moment(package, location, rng):
    """How many sign-ins a process acknowledged before it was killed."""
    heard, say = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        try:
            sign_in_until_killed(package, location, say)
        finally:
            os._exit(1)
    os.close(say)
    with open(heard) as lines:
        wanted = rng.randint(1, 4)
        for _ in range(wanted):
            assert lines.readline()
        # Any moment of a sign-in.
        end = time.perf_counter() + rng.random() * 0.004
        while time.perf_counter() < end:
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return wanted + len(lines.read().split())


def what_is_left(location, acknowledged):
    """Whether the file is unreadable, and how many acknowledged sign-ins it lacks."""
    try:
        with open(location) as file:
            state = json.load(file)
    except ValueError:
        return True, 0
    stored = {entry["client_id"] for entry in state.get("AccessToken", {}).values()}
    return False, len({f"c{number}" for number in range(acknowledged)} - stored)


def campaign(package, folder, kills):
    rng = random.Random(1)
    unreadable = lost = locked = 0
    for number in range(kills):
        location = os.path.join(folder, f"{number}", "cache.json")
        acknowledged = killed_at_some_moment(package, location, rng)
        is_unreadable, missing = what_is_left(location, acknowledged)
        unreadable += is_unreadable
        lost += missing
        locked += os.path.exists(location + ".lockfile")
    return unreadable, lost, locked


def test_a_kill_at_any_moment_leaves_a_whole_file_with_all_that_was_acknowledged(tmp_path):
    # As installed, msal-extensions has no portalocker.
    sys.modules["portalocker"] = None
    original = importlib.import_module("msal_extensions")
    assert original.CrossPlatLock.__module__ == "msal_extensions.filelock"
    report = {}
    for name, package, kills in (
        ("msal-extensions", original, max(KILLS // 3, 20)),
        ("tokenkeep", ours, KILLS),
    ):
        begun = time.monotonic()
        unreadable, lost, locked = report[name] = campaign(package, tmp_path / name, kills)
        print(
            f"measured: {name}: {kills} kills in a loop of sign-ins: {unreadable} files "
            f"unreadable, {lost} acknowledged sign-ins lost, {locked} lock files left, "
            f"{time.monotonic() - begun:.1f} s",
            file=sys.stderr,
        )
    assert report["tokenkeep"][:2] == (0, 0)


def test_a_killed_process_keeps_nobody_from_signing_in(tmp_path):
    rng = random.Random(2)
    for number in range(20):
        location = str(tmp_path / f"{number}" / "cache.json")
        acknowledged = killed_at_some_moment(ours, location, rng)
        if not os.path.exists(location + ".lockfile"):
            continue
        cache = ours.PersistedTokenCache(ours.FilePersistence(location), lock_timeout=10)
        cache.add(peers.sign_in("after"))
        stored = peers.clients(cache)
        assert "after" in stored and len(stored) > acknowledged
        break
    else:
        pytest.fail("no kill left a lock file")


USER = 54_321
LEFT_BY_ORIGINAL = """
import os, sys
os.chdir(sys.argv[1])
os.mkdir(".mytool")
location = ".mytool/cache.json"
msal_extensions.FilePersistence(location)
with open(location, "w") as file:
    file.write("{}")
with open(location + ".signal", "w") as file:
    pass
"""
USED_BY_OURS = """
import os, sys
os.chdir(sys.argv[1])
sys.path.append(sys.argv[2])
import peers
location = ".mytool/cache.json"
assert os.stat(".mytool").st_mode & 0o777 == 0o775, oct(os.stat(".mytool").st_mode)
assert os.stat(location).st_mode & 0o777 == 0o664
cache = msal_extensions.PersistedTokenCache(msal_extensions.FilePersistence(location))
assert peers.clients(cache) == []
cache.add(peers.sign_in("a"))
assert peers.clients(cache) == ["a"]
"""


def test_what_the_original_left_under_a_umask_of_002_is_used(tmp_path):
    if os.getuid() != 0:
        pytest.skip("another user needs root")
    os.chmod(tmp_path, 0o755)
    for folder in tmp_path.parents:
        # The folders of this test and its runner are for one user alone.
        if os.stat(folder).st_mode & 0o077 == 0:
            os.chmod(folder, 0o711)
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    os.chown(home, USER, USER)
    user = {"user": USER, "group": USER, "extra_groups": [], "umask": 0o002}
    # The original makes its folders in the mode that the umask leaves.
    peers.run("created", LEFT_BY_ORIGINAL, home, **user, env={"HOME": str(home)})
    here = {"PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(home)}
    tests = os.path.dirname(peers.__file__)
    peers.run("ours", USED_BY_OURS, home, tests, **user, env=here)


def test_processes_of_several_pythons_share_a_cache(location):
    """Each version of Python that is found, with what this one has installed."""
    cache = ours.PersistedTokenCache(ours.FilePersistence(location))
    paths = [os.environ["PYTHONPATH"], sysconfig.get_path("purelib")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    expected = []
    for python in filter(None, os.environ.get("TOKENKEEP_PYTHONS", "").split(os.pathsep)):
        code = (
            "import json, peers, sys\n"
            "import tokenkeep.msal_extensions as package\n"
            "cache = package.PersistedTokenCache(package.FilePersistence(sys.argv[1]))\n"
            "name = '%d.%d' % sys.version_info[:2]\n"
            "before = peers.clients(cache)\n"
            "cache.add(peers.sign_in(name))\n"
            "print(json.dumps([name, before]))\n"
        )
        process = subprocess.run(
            [python, "-c", code, location], env=environment, stdout=subprocess.PIPE
        )
        assert process.returncode == 0, python
        name, before = json.loads(process.stdout)
        assert before == sorted(set(expected))
        expected.append(name)
        assert peers.clients(cache) == sorted(set(expected))
    print(f"measured: Pythons that shared a cache: {', '.join(expected)}", file=sys.stderr)
