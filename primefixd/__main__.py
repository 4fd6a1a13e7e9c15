"""`python -m primefixd` is the `primefixd` command."""

from primefixd.cli.main import main

if __name__ == "__main__":
    main()
