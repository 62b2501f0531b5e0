"""The provider plugin `mailcow`: Pulumi runs this file."""

from pulumi_mailcow.__main__ import console

if __name__ == "__main__":
    console()
