"""`python -m ibiki` is `ibiki`."""

from ibiki.cli.main import main

if __name__ == "__main__":
    main()
