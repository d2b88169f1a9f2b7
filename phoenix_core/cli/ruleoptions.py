"""The options of a content rule's fields, for the commands that set and that test rules."""

from typing import Annotated

import typer

Paths = Annotated[
    list[str] | None,
    typer.Option(
        "--path",
        metavar="PATH",
        help="Absolute. Repeatable; together they replace what was there.",
        show_default=False,
    ),
]
Excludes = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="PATTERN", help="Leave out, as in .gitignore; '' for nothing. Repeatable."),
]
Includes = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="PATTERN", help="Only files that one of these means; '' for all. Repeatable."),
]
OnlyExtensions = Annotated[
    list[str] | None,
    typer.Option("--only-extension", metavar="EXT", help="Only such files, as jpg or tar.gz; '' for all. Repeatable."),
]
NotExtensions = Annotated[
    list[str] | None,
    typer.Option("--not-extension", metavar="EXT", help="No such files; '' for nothing. Repeatable."),
]
Smallest = Annotated[str | None, typer.Option("--smallest", metavar="SIZE", help="No smaller files: 4K, 10M; 0: all.")]
Largest = Annotated[str | None, typer.Option("--largest", metavar="SIZE", help="No larger files: 500M, 2G; 0: all.")]
ChangedWithin = Annotated[
    str | None,
    typer.Option("--changed-within", metavar="TIME", help="Only files changed so recently: 12h, 30d, 1y; 0: all."),
]
OlderThan = Annotated[
    str | None, typer.Option("--older-than", metavar="TIME", help="Only files not changed since: 12h, 30d; 0: all.")
]
SkipCaches = Annotated[
    bool | None,
    typer.Option(
        "--skip-caches/--no-skip-caches",
        help="Leave out what is in folders tagged by a CACHEDIR.TAG.",
        show_default=False,
    ),
]
DiskImages = Annotated[
    list[str] | None,
    typer.Option("--disk-image", metavar="PATTERN", help="Files to be cut as disk images; '' for none. Repeatable."),
]
Streams = Annotated[
    list[str] | None,
    typer.Option(
        "--stream", metavar="NAME=SCRIPT", help="Also what this script on the agent prints; '' for none. Repeatable."
    ),
]
CrossMounts = Annotated[
    bool | None,
    typer.Option("--cross-mounts/--no-cross-mounts", help="Go into other file systems.", show_default=False),
]
