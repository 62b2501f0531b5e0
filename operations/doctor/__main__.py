"""`python -m operations.doctor`: `operations doctor`, on any Python 3."""

import sys
from os.path import abspath, dirname, join

from operations.doctor.bare import EXIT_MISSING, too_old


def main() -> int:
    """Run the command line that this Python can run."""
    project = dirname(dirname(dirname(abspath(__file__))))  # noqa: PTH100, PTH120 - as above
    with open(join(project, "pyproject.toml"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
        words = too_old(file.read())
    if words:
        sys.stderr.write("  python        {}\n".format(words))  # noqa: UP032 - as above
        return EXIT_MISSING
    try:
        from operations.doctor.command_line import app  # noqa: PLC0415 - it needs the packages
    except ModuleNotFoundError:
        from operations.doctor import plain  # noqa: PLC0415 - an old Python cannot read it

        return plain.main(sys.argv[1:])
    app()
    return 0


if __name__ == "__main__":
    sys.exit(main())
