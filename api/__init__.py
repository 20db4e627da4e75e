"""REST, the live stream, sign-in and the console. Asyncio lives only here."""
