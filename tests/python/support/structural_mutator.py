"""Opens stores that were changed by structural_mutations.py, in modes "r" and "a", and uses all of them.

    python tests/python/support/structural_mutator.py --mutants 100000 --seed 1
    python tests/python/support/structural_mutator.py --seed 1 --only 4711

An answer or a clear error is right; a crash, another exception, a call that does not end, memory or disk
beyond the limits is a finding, printed with the command that repeats it. Two processes go side by side; each
forks children that do a hundred mutants, each from bytes in memory into a directory in memory, if there is
one.
"""

import argparse
import contextlib
import faulthandler
import json
import os
import pathlib
import pickle
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback

import pyrsistence
import store_exercise as exercise
from store_forge import Files
from structural_mutations import mutate

IN_A_CHILD = 100
# Of one mutant, over what its child has had before.
MOST_MEMORY = 300 << 20
MOST_DISK = 64 << 20
MOST_SECONDS = 30.0


def fast_directory():
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


# ---- the stores to begin with

CLASSES = {
    "dict": (lambda path: pyrsistence.EMDict(path), exercise.fill_dict),
    "list": (lambda path: pyrsistence.EMList(path), exercise.fill_list),
    "set": (lambda path: pyrsistence.EMSet(path), exercise.fill_set),
    "typed set": (lambda path: pyrsistence.EMSet(path, dtype="u8"), exercise.fill_typed_set),
    "deque": (lambda path: pyrsistence.EMDeque(path, maxlen=5000), exercise.fill_deque),
    "array": (lambda path: pyrsistence.EMArray(path, "i8"), exercise.fill_array),
    "typed dict": (lambda path: pyrsistence.EMDict(path, key="u8", value="f8"), exercise.fill_typed),
    "graph": (lambda path: pyrsistence.EMGraph(path), exercise.fill_graph),
    "digraph": (lambda path: pyrsistence.EMMultiDiGraph(path), exercise.fill_graph),
    "typed edges": (
        lambda path: pyrsistence.EMDiGraph(path, edge_dtype=[("weight", "f8"), ("count", "i4")]),
        exercise.fill_typed_edges,
    ),
    "shadow": (lambda path: pyrsistence.EMShadowMemory(path), exercise.fill_shadow),
}


def fill_store(store, rng):
    exercise.fill_dict(store.dict("d"), rng)
    exercise.fill_list(store.list("l"), rng)
    exercise.fill_set(store.set("e"), rng)
    exercise.fill_typed_set(store.set("y", dtype="u8"), rng)
    exercise.fill_deque(store.deque("q"), rng)
    exercise.fill_array(store.array("a", "i8"), rng)
    exercise.fill_typed(store.dict("t", key="u8", value="f8"), rng)
    exercise.fill_graph(store.graph("g"), rng)
    exercise.fill_shadow(store.shadow_memory("s"), rng)
    store.dict("dropped")[1] = 1
    store.commit()
    store.drop("dropped")


def images_in(file):
    """The images kept in a file, which is made if it is missing: salts and seeds are others each time."""
    if not os.path.exists(file):
        with tempfile.TemporaryDirectory(prefix="pyrsistence-", dir=fast_directory()) as scratch:
            made = pickle.dumps(make_images(scratch))
        pathlib.Path(file).write_bytes(made)
    return pickle.loads(pathlib.Path(file).read_bytes())


def make_images(scratch):
    """Files by name of what they hold. "recovered": their writer was cut off before it wrote to them."""
    rng = random.Random(0)
    images = {}
    for name, (open_, fill) in {**CLASSES, "store": (pyrsistence.Store, fill_store)}.items():
        path = f"{scratch}/{name}"
        with open_(path) as container:
            fill(container, rng)
        images[name] = Files(path)
        if name in ("dict", "store"):
            images[f"{name}, recovered"] = cut_off(path, images[name])
        shutil.rmtree(path)
    return images


def cut_off(path, before):
    """The store of a writer that was killed: its journal of now, and the other files as they were."""
    child = os.fork()
    if child == 0:
        container = pyrsistence.open(path)
        d = container.dict("d") if isinstance(container, pyrsistence.Store) else container
        for n in range(3):
            d[n] = "last " * 30
            d[f"new {n}"] = n
            container.commit()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    now, files = Files(path), before.copy()
    for name in ("superblock", "journal", "lock", "readers"):
        files.bytes[name] = now.bytes[name]
    for (
        name,
        data,
    ) in now.bytes.items():  # what is new must be there: growth is durable before a frame names it
        old = files.bytes.setdefault(name, bytearray())
        old.extend(data[len(old) :])
    return files


# ---- one mutant


def make(images, seed, number):
    rng = random.Random(f"{seed}-{number}")
    name = rng.choice(sorted(images))
    files = images[name].copy()
    return f"{name}: {mutate(files, rng)}", files, rng


def remove(path):
    shutil.rmtree(path, ignore_errors=True)


def disk(path):
    """Bytes of the disk that the store takes, and what lies beside it."""
    total = 0
    for directory, _, names in os.walk(os.path.dirname(path)):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(f"{directory}/{name}").st_blocks * 512
    return total


def try_one(images, path, seed, number):
    """Returns what is wrong, or nothing; and in how many modes it was opened."""
    what, files, rng = make(images, seed, number)
    opened = 0
    for mode in ("r", "a"):
        remove(path)
        files.write(path)
        before = disk(path)
        try:
            opened += exercise.exercise(path, mode, rng)
            # What it left behind opens again, or is refused.
            if mode == "a":
                exercise.exercise(path, "r", rng)
        except BaseException:
            return f"{what}; mode {mode}\n{traceback.format_exc()}", opened
        if disk(path) - before > MOST_DISK:
            return f"{what}; mode {mode}: takes {disk(path) - before} bytes of the disk", opened
    return None, opened


# ---- children, and who watches them


def child(images, path, seed, numbers, report):
    """Does some mutants; tells of each before, and of each finding. Never returns."""
    faulthandler.register(signal.SIGUSR1)
    base = None
    opened = 0
    for number in numbers:
        os.write(report, json.dumps(["at", number]).encode() + b"\n")
        wrong, modes = try_one(images, path, seed, number)
        opened += modes
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        base = memory if base is None else base
        if wrong is None and memory - base > MOST_MEMORY:
            wrong = f"{make(images, seed, number)[0]}: takes {memory - base} bytes of memory"
        if wrong is not None:
            os.write(report, json.dumps(["finding", number, wrong[:6000]]).encode() + b"\n")
            break  # whatever it has left behind in this process ends with it
    os.write(report, json.dumps(["opened", opened]).encode() + b"\n")
    os._exit(0)


class TimeUsed:
    """How long a process has worked since this was made: on a busy machine the clock says little of that."""

    def __init__(self, pid):
        self.pid, self.processor, self.clock = pid, self._processor(pid), time.monotonic()

    @staticmethod
    def _processor(pid):
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def too_much(self):
        """Of the processor's time; ten times as much by the clock is too much for what waits."""
        return (
            self._processor(self.pid) - self.processor > MOST_SECONDS
            or time.monotonic() - self.clock > 10 * MOST_SECONDS
        )


class Watch:
    """What a child says, and whether it keeps to its limits."""

    def __init__(self, images, scratch, seed):
        self.images, self.scratch, self.seed = images, scratch, seed
        self.path = f"{scratch}/store"
        self.opened = 0

    def run(self, numbers):
        """Does these mutants. Returns those that are left, and a finding or none."""
        read, write = os.pipe()
        errors = tempfile.TemporaryFile()  # noqa: SIM115
        pid = os.fork()
        if pid == 0:
            os.dup2(errors.fileno(), 2)
            child(self.images, self.path, self.seed, numbers, write)
        os.close(write)
        at, finding, killed = numbers[0], None, None
        used = TimeUsed(pid)
        text = b""
        while True:
            if select.select([read], [], [], 0.1)[0]:
                more = os.read(read, 65536)
                if not more:
                    break
                text += more
                *lines, text = text.split(b"\n")
                for line in lines:
                    kind, *rest = json.loads(line)
                    used = TimeUsed(pid)
                    if kind == "at":
                        at = rest[0]
                    elif kind == "finding":
                        finding = rest[1]
                    else:
                        self.opened += rest[0]
            elif killed is None and (killed := self.beyond(pid, used)):
                os.kill(pid, signal.SIGUSR1)  # its Python stack
                time.sleep(0.2)
                os.kill(pid, signal.SIGKILL)
        os.close(read)
        _, status = os.waitpid(pid, 0)
        errors.seek(0)
        said = errors.read().decode(errors="replace")[-4000:]
        errors.close()
        if status != 0:
            why = killed or f"status {status}: a crash"
            finding = f"{make(self.images, self.seed, at)[0]}; {why}\n{said}"
        left = [n for n in numbers if n > at]
        return left, (at, finding) if finding else None

    def beyond(self, pid, used):
        if used.too_much():
            return f"does not end within {MOST_SECONDS:.0f} s"
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        held = [int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("RssAnon")]
        if held and held[0] > 4 * MOST_MEMORY:
            return f"takes {held[0]} bytes of memory"
        if disk(self.path) > 4 * MOST_DISK:
            return f"takes {disk(self.path)} bytes of the disk"
        return None


def run(numbers, seed, file, most_findings=20):
    """Does these mutants of the images in a file; prints findings. Returns how many, and how many opened."""
    found = 0
    with tempfile.TemporaryDirectory(prefix="pyrsistence-", dir=fast_directory()) as scratch:
        watch = Watch(images_in(file), scratch, seed)
        while numbers and found < most_findings:
            left, finding = watch.run(numbers[:IN_A_CHILD])
            numbers = left + numbers[IN_A_CHILD:]
            if finding is not None:
                found += 1
                number, text = finding
                command = f"python {__file__} --seed {seed} --images {file} --only {number}"
                print(f"mutant {number}: {text}\n    repeat: {command}", flush=True)
        return found, watch.opened


def show(seed, number, images, directory):
    """Does one mutant in this process, for a debugger; the store stays where it is said."""
    path = f"{directory}/store"
    what, files, _ = make(images, seed, number)
    print(what, flush=True)
    wrong, _ = try_one(images, path, seed, number)
    print(wrong or "nothing is wrong")
    files.write(f"{directory}/mutant")
    print(f"the mutant is in {directory}/mutant")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mutants", type=int, default=1000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", type=int, help="one of them, in this process")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--findings", type=int, default=20, help="end after so many, in each process")
    parser.add_argument("--images", help="file of the stores to begin with; made if it is missing")
    arguments = parser.parse_args()
    file = arguments.images or f"{tempfile.gettempdir()}/pyrsistence-images-{arguments.seed}"
    images = images_in(file)
    if arguments.only is not None:
        show(arguments.seed, arguments.only, images, tempfile.mkdtemp(prefix="pyrsistence-"))
        return 0
    begin = time.monotonic()
    end = arguments.first + arguments.mutants
    workers = []
    for share in range(arguments.processes):
        pid = os.fork()
        if pid == 0:
            numbers = list(range(arguments.first + share, end, arguments.processes))
            found, opened = run(numbers, arguments.seed, file, arguments.findings)
            print(
                f"process {share}: {len(numbers)} mutants, opened {opened} times, {found} findings",
                flush=True,
            )
            os._exit(1 if found else 0)
        workers.append(pid)
    failed = [os.waitpid(pid, 0)[1] for pid in workers]
    print(f"{arguments.mutants} mutants, seed {arguments.seed}, {time.monotonic() - begin:.0f} s")
    return 1 if any(failed) else 0


if __name__ == "__main__":
    sys.exit(main())
