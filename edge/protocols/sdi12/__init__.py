"""SDI-12 (version 1.4): sensors on one wire, asked in ASCII, one at a time."""
