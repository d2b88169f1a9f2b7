"""Ready-made content rules of a whole server, without what comes back by itself: to be used, or copied and changed."""

from phoenix_core.domain.policies import ContentRule

LINUX = ContentRule(
    name="linux-server",
    paths=("/",),
    cross_mounts=True,
    excludes=(
        # made up by the kernel, or made anew at each start
        "/proc/",
        "/sys/",
        "/dev/",
        "/run/",
        "/var/run/",
        "/var/lock/",
        # temporary files and caches
        "/tmp/*",  # noqa: S108 - left out, not used
        "/var/tmp/*",  # noqa: S108
        "/var/cache/*",
        "/var/lib/apt/lists/*",
        "/var/lib/systemd/coredump/",
        "/var/crash/",
        "/home/*/.cache/",
        "/home/*/.local/share/Trash/",
        "/root/.cache/",
        ".Trash-*/",
        # swap, and what a check of the file system found
        "/swapfile",
        "/swap.img",
        "/swap/",
        "lost+found/",
        # other people's file systems, and images that can be fetched again
        "/mnt/",
        "/media/",
        "/snap/",
        "/var/lib/snapd/snaps/",
        "/var/lib/docker/overlay2/",
        "/var/lib/containers/storage/overlay/",
        "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/",
        "/var/lib/lxcfs/",
        ".gvfs/",
        ".snapshots/",
    ),
)

WINDOWS = ContentRule(
    name="windows-server",
    paths=("/",),
    excludes=(
        # paging and hibernation
        "pagefile.sys",
        "hiberfil.sys",
        "swapfile.sys",
        "DumpStack.log.tmp",
        # kept by the system for itself
        "System Volume Information/",
        "$Recycle.Bin/",
        "$WinREAgent/",
        "$WINDOWS.~BT/",
        "$Windows.~WS/",
        "/*/Recovery/",
        # temporary files and caches
        "/*/Windows/Temp/*",
        "/*/Windows/SoftwareDistribution/Download/*",
        "/*/Windows/Prefetch/",
        "/*/Windows/Minidump/",
        "/*/Windows/MEMORY.DMP",
        "/*/Users/*/AppData/Local/Temp/*",
        "/*/Users/*/AppData/Local/Microsoft/Windows/INetCache/",
        "/*/Users/*/AppData/Local/Microsoft/Windows/WebCache/",
        "/*/Users/*/AppData/Local/CrashDumps/",
        "/*/ProgramData/Microsoft/Windows/WER/",
    ),
)

READY_MADE = (LINUX, WINDOWS)


def ready_made(name: str) -> ContentRule | None:
    """The ready-made rule of this name."""
    return next((rule for rule in READY_MADE if rule.name == name), None)
