"""The pure heart of netvip: events in, actions out. No I/O, no clock, no asyncio."""
