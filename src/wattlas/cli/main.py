"""`wattlas`: the command group. A command's module is imported when that command is used."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

import wattlas
from wattlas.core.errors import WattlasError

# command name -> (module, one line for the group's --help)
COMMANDS: dict[str, tuple[str, str]] = {
    "doctor": ("wattlas.cli.doctor", "What this machine is and which meters it has."),
    "measure": ("wattlas.cli.measure", "Run a command and report the energy it took."),
    "compare": ("wattlas.cli.compare", "Run two commands by turns and compare their energies."),
    "meter": ("wattlas.cli.meter", "List, check and characterise meters."),
    "network": ("wattlas.cli.network", "Widths, parameters, FLOPs and working sets of a network."),
    "sweep": (
        "wattlas.cli.sweep",
        "Plan and run a sweep of trainings; resume it; see where it is.",
    ),
    "dataset": ("wattlas.cli.dataset", "Make, import, check and publish datasets of runs."),
    "model": ("wattlas.cli.model", "Fit, ask and evaluate the energy model."),
    "predict": ("wattlas.cli.predict", "The energy of training your own PyTorch or Keras model."),
    "advise": ("wattlas.cli.advise", "The network that reaches a loss for the fewest joules."),
    "report": ("wattlas.cli.report", "One HTML file with every figure of a dataset."),
}


class _LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it or to show its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example:  wattlas measure -- python train.py",
)
@click.version_option(wattlas.__version__, prog_name="wattlas")
def group() -> None:
    """Measure, map and lower the energy that training a neural network takes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 on success, 2 on a usage error and 1 on any other failure.

    An error is one line on stderr. Ctrl-C gives 130, as shells do.
    """
    try:
        status = group.main(args=arguments, prog_name="wattlas", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        where = getattr(error, "ctx", None)
        hint = f"; see '{where.command_path} --help'" if where else ""
        return _fail(error.format_message().rstrip(".") + hint, error.exit_code)
    except click.Abort:
        return _fail("stopped; run the same command again to go on", 130)
    except WattlasError as error:
        return _fail(str(error), error.exit_status)
    except BrokenPipeError:
        return _reader_went_away()
    except SystemExit:
        # What click makes of a broken pipe even with standalone_mode off, and of nothing else.
        return _reader_went_away()
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return _fail(f"{what}; check the path, its permissions and the free space", 1)
    return status if isinstance(status, int) else 0


def _reader_went_away() -> int:
    # `| head` is no error, but Python must not flush into the pipe at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _fail(message: str, status: int) -> int:
    click.echo(f"wattlas: {' '.join(message.split())}", err=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
