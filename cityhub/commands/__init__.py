"""One module for each group of commands; each is a thin word for what the parts do."""
