"""`phoenix doctor`."""

from phoenix_core.cli.options import Data, Json


def doctor(data: Data = None, as_json: Json = False) -> None:
    """Look at everything that backups depend on, and say what to do. Names the log files."""
    import os

    from phoenix_core.cli.attach import attached
    from phoenix_core.cli.boundary import data_directory, execute
    from phoenix_core.cli.output import print_json, say
    from phoenix_core.cli.program import as_typed
    from phoenix_core.domain.errors import EXIT_DONE, EXIT_FAILED

    async def work() -> int:
        where = data_directory(data)
        async with attached(where) as client:
            findings = await client.doctor(lone=(await client.status()).pid == os.getpid())
        if as_json:
            print_json(findings)
        else:
            for finding in findings:
                say(f"{finding.state:<8} {finding.subject}: {finding.text}")
                if finding.hint:
                    say(f"{'':<8} -> {as_typed(finding.hint)}")
        return EXIT_FAILED if any(finding.state == "error" for finding in findings) else EXIT_DONE

    execute(work(), as_json=as_json)
