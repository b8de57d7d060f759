"""Run one command under limits and leave no process behind.

Started by file name with ``python -I -S jail.py '<settings as JSON>'``, so that it imports only the standard
library. Its standard input is a pipe held by the caller. When the caller closes it or dies, this kills everything that
the command started.

With ``"namespaces": true`` (Linux) the command gets its own process, network, mount and user namespaces. It has no
network, sees no other processes, and every file is read-only except the folders in ``"writable"``; the first of those
is also at /mnt/data. /tmp, /run and /var/run, where system programs keep their sockets, are empty except for those
folders and the ones in ``"visible"``, because a process can connect to a socket even on a read-only file system.
Without namespaces, only the limits apply. What could be set up is written to ``"report"`` as JSON.

Source: namespaces(7), user_namespaces(7), mount_setattr(2), prctl(2), setrlimit(2).
"""

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 0x1
IS_LINUX = sys.platform.startswith("linux")
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    """Raise OSError for a C call that returned −1."""
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source, target, kind=None, flags=0, data=None):
    encode = lambda text: None if text is None else os.fsencode(text)  # noqa: E731
    check(
        libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(data)), f"mount {target}"
    )


def set_read_only(path, read_only, recursive=False):
    """Make a mount read-only or writable (mount_setattr, Linux 5.12)."""
    set_bits, clear_bits = (MOUNT_ATTR_RDONLY, 0) if read_only else (0, MOUNT_ATTR_RDONLY)
    attributes = (ctypes.c_uint64 * 4)(set_bits, clear_bits, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    check(
        libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, os.fsencode(path), flags, ctypes.byref(attributes), size),
        f"mount_setattr {path}",
    )


def enter_namespaces():
    """Enter new process, network, mount and user namespaces; the next fork becomes their process 1."""
    user, group = os.getuid(), os.getgid()
    kinds = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS
    check(libc.unshare(kinds), "unshare")
    # Never run as root inside: executing a program as another user drops every capability in the namespace.
    for file, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{user or 1000} {user} 1"),
        ("gid_map", f"{group or 1000} {group} 1"),
    ):
        with open(f"/proc/self/{file}", "w", encoding="utf-8") as f:
            f.write(line)


def hide(places, kept):
    """Mount a small, empty file system over each of `places`, and put the folders of `kept` back into it."""
    hidden = [place for place in places if os.path.isdir(place) and not os.path.islink(place)]
    inside = [folder for folder in kept if any(folder.startswith(place + "/") for place in hidden)]
    inside.sort(key=len)  # parents before children
    for number, folder in enumerate(inside):
        os.mkdir(f"/mnt/{number}")
        mount(folder, f"/mnt/{number}", None, MS_BIND | MS_REC)
    for place in hidden:
        mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=755")
    for number, folder in enumerate(inside):
        os.makedirs(folder, exist_ok=True)
        mount(f"/mnt/{number}", folder, None, MS_BIND | MS_REC)
        check(libc.umount2(f"/mnt/{number}".encode(), MNT_DETACH), f"umount /mnt/{number}")
        os.rmdir(f"/mnt/{number}")


def arrange_mounts(writable, visible=()):
    """Mount own /proc and /dev/shm, hide the system's sockets, make everything read-only except `writable`.

    Returns what was achieved.
    """
    report = {"read_only_files": False, "own_proc": False}
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    for folder in writable:
        mount(folder, folder, None, MS_BIND)
    # An empty /mnt with the scratch folder under the name that the models were trained with.
    mount("tmpfs", "/mnt", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k")
    os.mkdir("/mnt/data")
    hide(("/tmp", "/run", "/var/run"), (*writable, *visible))
    mount(writable[0], "/mnt/data", None, MS_BIND)
    for target, kind, data, key in (("/proc", "proc", None, "own_proc"), ("/dev/shm", "tmpfs", "size=64m", None)):
        try:  # a container may forbid this; then the old mounts stay
            mount(kind, target, kind, MS_NOSUID | MS_NODEV, data)
            report.update({key: True} if key else {})
        except OSError:
            pass
    try:
        set_read_only("/", True, recursive=True)
        for folder in (*writable, "/dev/shm", "/mnt/data"):
            set_read_only(folder, False)
        report["read_only_files"] = True
    except OSError as error:  # read-only files are promised, so give up on namespaces
        raise OSError(f"the file system could not be made read-only: {error}") from error
    return report


def apply_limits(limits):
    """Set resource limits by their names in the `resource` module, such as {"RLIMIT_FSIZE": 1000000}."""
    for name, value in limits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # The hard limit is one second above the soft one, so that the signal still names the cause.
        ceiling = value + 1 if name == "RLIMIT_CPU" and hard == resource.RLIM_INFINITY else value
        try:
            resource.setrlimit(kind, (value, ceiling))
        except (ValueError, OSError):  # macOS accepts RLIMIT_AS but ignores it
            if IS_LINUX:
                raise


def descendants_of(parent):
    """Return the process ids of all descendants of `parent`, from /proc."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
                    parents[int(entry)] = int(f.read().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
    found, wave = [], [parent]
    while wave:
        wave = [child for child, of in parents.items() if of in wave]
        found += wave
    return found


def kill_descendants(first):
    """Kill until this process has no descendants left; as subreaper it inherits every orphan."""
    for _ in range(200):
        victims = descendants_of(os.getpid()) if IS_LINUX else [first]
        for victim in victims:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def start(settings):
    """Fork and execute the command under its limits; returns its process id."""
    child = os.fork()
    if child:
        return child
    try:
        if IS_LINUX:
            libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        apply_limits(settings["limits"])
        os.chdir(settings["folder"])
        os.execve(settings["command"][0], settings["command"], settings["environment"])
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    os._exit(126)


def supervise(settings):
    """Run the command and reap orphans until it ends or standard input closes. Returns its exit status."""
    if IS_LINUX:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = start(settings)
    status = None
    while status is None:
        ready, _, _ = select.select([0], [], [], 0.1)
        if ready and not os.read(0, 1):
            break
        try:
            while status is None:
                process, code = os.waitpid(-1, os.WNOHANG)
                if process == 0:
                    break
                if process == command:
                    status = code
        except ChildProcessError:
            break
    kill_descendants(command)
    return 0 if status is None else os.waitstatus_to_exitcode(status)


def main():
    settings = json.loads(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is left to the caller
    report = {"namespaces": False}
    first_process = 0
    if settings["namespaces"]:
        enter_namespaces()
        first_process = os.fork()
    if first_process:  # outside: wait for process 1 of the namespace, and pass its status on
        _, status = os.waitpid(first_process, 0)
        code = os.waitstatus_to_exitcode(status)
    else:
        if settings["namespaces"]:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            report = {"namespaces": True, **arrange_mounts(settings["writable"], settings["visible"])}
        if settings.get("report"):
            with open(settings["report"], "w", encoding="utf-8") as f:
                json.dump(report, f)
        code = supervise(settings)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
