"""Lets ``python -m fhirtrial`` do what the command ``fhirtrial`` does."""

from fhirtrial.cli import main

if __name__ == "__main__":
    main()
