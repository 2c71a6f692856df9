"""The rules that Linux keeps for a student's process: no code in the process can lift them again.

Three things that need no rights to use: Landlock (since Linux 5.13; landlock(7)) for files, a seccomp filter
(seccomp(2)) for new processes, signals and sockets, and capset(2), which takes a root user's power over the machine.
Python has none of them, so they are called through ctypes. Where one is missing, the others still hold.
"""

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Sequence

NO_NEW_PRIVILEGES, PARENT_DEATH_SIGNAL, SET_SECCOMP = 38, 1, 22  # prctl(2)
SIGKILL = 9

# System calls by processor: asm/unistd_64.h for x86_64, asm-generic/unistd.h for aarch64.
CAPSET = {"x86_64": 126, "aarch64": 91}
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3 = 435  # the same everywhere, as are all calls above 423
FORBIDDEN = {
    # fork, vfork, execve, execveat; kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo; ptrace,
    # process_vm_readv, process_vm_writev; socket, socketpair; chmod, fchmod, fchmodat, chown, fchown, lchown, fchownat;
    # setpriority, ioprio_set, sched_setparam, sched_setscheduler, sched_setaffinity, sched_setattr, which reach other
    # processes; shmget, msgget, semget, mq_open, add_key, keyctl, which leave something behind; unshare,
    # which makes a root user
    "x86_64": [
        57, 58, 59, 322, 62, 200, 234, 129, 297, 101, 310, 311, 41, 53, 90, 91, 268, 92, 93, 94, 260,
        141, 251, 142, 144, 203, 314, 29, 68, 64, 240, 248, 250, 272,
    ],
    "aarch64": [
        221, 281, 129, 130, 131, 138, 240, 117, 270, 271, 198, 199, 52, 53, 54, 55,
        140, 30, 118, 119, 122, 274, 194, 186, 190, 180, 217, 219, 97,
    ],
}  # fmt: skip
# pidfd_send_signal, io_uring_setup (which can open sockets past this filter), pidfd_open, pidfd_getfd, fchmodat2
FORBIDDEN_EVERYWHERE = [424, 425, 434, 438, 452]
# fcntl can send any signal to any process, once it is told F_SETOWN, F_SETSIG or F_SETOWN_EX.
FCNTL = {"x86_64": 72, "aarch64": 25}
SETTING_SIGNALS = (8, 10, 15)
PRLIMIT = {"x86_64": 302, "aarch64": 261}  # of this process, 0, it may be asked for; not of the grader
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE_THREAD = 0x10000

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
# Rights that a version of Landlock knows: the lowest 13, then moving files between folders, then truncating.
RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF}
READ = 0b1101  # execute (which mapping a library needs), read a file, list a folder
ON_A_FILE = 0b110 | 0x4000  # write, read, truncate: rights that can be given on something that is no folder


def restrict_kernel(folder: str, readable: Sequence[str]) -> list[str]:
    """Let this process, for good, change files in `folder` only, and read only there and in `readable`.

    Nor can it start processes (threads it can), signal or slow down others, open sockets, or do what only root may.

    Returns
    -------
    list of str
        What is in force: some of "landlock", "seccomp", "capabilities"; none where this is not Linux.
    """
    processor = platform.machine()
    if sys.platform != "linux" or processor not in FORBIDDEN or sys.maxsize < 2**32:
        return []
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return []
    in_force = []
    if _landlock(libc, folder, readable):
        in_force.append("landlock")
    # Version 3 of the call, this process; no effective, permitted or inheritable capability.
    header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)
    if not libc.syscall(CAPSET[processor], header, none):
        in_force.append("capabilities")
    if _seccomp(libc, processor):
        in_force.append("seccomp")
    return in_force


def die_with_parent() -> None:
    """Have Linux end this process when the grader's thread that started it ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, SIGKILL, 0, 0, 0)


def _landlock(libc: ctypes.CDLL, folder: str, readable: Sequence[str]) -> bool:
    version = libc.syscall(LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return False
    rights = RIGHTS[min(version, 3)]
    ruleset = libc.syscall(LANDLOCK_CREATE, struct.pack("Q", rights), 8, 0)
    if ruleset < 0:
        return False
    for path, wanted in [(folder, rights), *((path, READ) for path in readable), ("/dev/null", ON_A_FILE)]:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if not os.path.isdir(path):
            wanted &= ON_A_FILE
        # struct landlock_path_beneath_attr: the rights, and the file descriptor of the place below which they hold.
        failed = libc.syscall(LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", wanted & rights, place), 0)
        os.close(place)
        if failed:
            return False
    done = libc.syscall(LANDLOCK_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return done


def _seccomp(libc: ctypes.CDLL, processor: str) -> bool:
    """Install a filter, in the instructions of BPF: each is (code, jump if true, jump if false, operand)."""
    load, equal, at_least, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, unknown, kill = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000  # EPERM is 1, ENOSYS 38
    number, architecture, first_argument, second_argument = 0, 4, 16, 24  # where they stand in struct seccomp_data
    program = [
        (load, 0, 0, architecture),
        (equal, 1, 0, AUDIT_ARCH[processor]),
        (give, 0, 0, kill),
        (load, 0, 0, number),
        (at_least, 0, 1, 0x40000000),  # the numbers of another calling convention (x32) begin here
        (give, 0, 0, refuse),
    ]
    for call in FORBIDDEN[processor] + FORBIDDEN_EVERYWHERE:
        program += [(equal, 0, 1, call), (give, 0, 0, refuse)]
    program += [(equal, 0, 3 + len(SETTING_SIGNALS), FCNTL[processor]), (load, 0, 0, second_argument)]
    for n, setting in enumerate(SETTING_SIGNALS):
        program += [(equal, len(SETTING_SIGNALS) - n, 0, setting)]
    program += [(give, 0, 0, allow), (give, 0, 0, refuse)]
    program += [(equal, 0, 4, PRLIMIT[processor]), (load, 0, 0, first_argument)]
    program += [(equal, 0, 1, 0), (give, 0, 0, allow), (give, 0, 0, refuse)]
    # The arguments of clone3 cannot be read here; libraries that hear "unknown" use clone, whose can.
    program += [(equal, 0, 1, CLONE3), (give, 0, 0, unknown)]
    program += [(equal, 0, 3, CLONE[processor]), (load, 0, 0, first_argument), (any_bit, 1, 0, CLONE_THREAD)]
    program += [(give, 0, 0, refuse), (give, 0, 0, allow)]
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    return libc.prctl(SET_SECCOMP, 2, header, 0, 0) == 0
