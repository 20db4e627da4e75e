"""Links: sockets and brokers that carry what stations say; all of them driven by one thread."""
