"""HJ 212-2017: pollution sources, ambient water and air, noise; packets of HJ/T 212-2005 are read as well."""
