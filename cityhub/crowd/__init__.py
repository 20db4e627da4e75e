"""The census: what the hub knows of each watched zone and counting line, said every ten seconds as readings of its own."""
