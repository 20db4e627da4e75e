"""SL 651-2014, the data communication protocol for hydrological monitoring: bytes in, readings and answers out."""
