"""Sources: platforms and cameras that publish on topics of their own, each read by one module."""
