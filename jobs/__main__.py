"""The one command-line application, `workbench` on the PATH."""


def main() -> None:
    """Run the command line."""
