"""HTTP as both faces of the daemon need it, on aiohttp's low-level server."""
