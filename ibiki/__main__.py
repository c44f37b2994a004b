"""`python -m ibiki` is `ibiki`."""

from ibiki.cli import main

if __name__ == "__main__":
    main()
