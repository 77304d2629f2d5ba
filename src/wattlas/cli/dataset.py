"""`wattlas dataset`: make, import, validate and publish a dataset of runs."""

from importlib import import_module

import click

# subcommand -> (module, one line for --help)
COMMANDS = {
    "build": ("wattlas.cli.dataset_build", "Make a dataset from a sweep's store."),
    "import-butter-e": ("wattlas.cli.dataset_import", "Make a dataset from the published BUTTER-E files."),
    "fetch": ("wattlas.cli.dataset_fetch", "Download the published BUTTER-E files."),
    "validate": ("wattlas.cli.dataset_validate", "Check a dataset's schema, keys, checksums and physics."),
    "publish": ("wattlas.cli.dataset_publish", "Write a release of a dataset."),
}


class _LazyGroup(click.Group):
    """Imports a subcommand only to run it or to show its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        subcommand = import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(subcommand, click.Command)
        return subcommand

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example:  wattlas dataset build out/store out/dataset",
)
def command() -> None:
    """Make, import, validate and publish a dataset of runs."""
