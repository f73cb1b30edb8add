"""Opens connections for the HTTP library: to checked addresses instead of names."""

import asyncio
from collections.abc import Iterable
from typing import Final

import httpcore2

from app.core.network_addresses import Guard
from app.net.outgoing import Resolve, TargetRefused, is_address

MAX_TRIED_ADDRESSES: Final = 3  # addresses of a name that are tried in turn


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Resolves names, checks their addresses, and connects to one of the checked addresses."""

    def __init__(self, guard: Guard | None, resolve: Resolve) -> None:
        self._guard, self._resolve, self._backend = guard, resolve, httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address that answers; TargetRefused unless the guard admits all of them."""
        try:
            async with asyncio.timeout(timeout):
                addresses = [host] if is_address(host) else await self._resolve(host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("the name was not resolved in time") from None
        except OSError as error:
            raise httpcore2.ConnectError("the name is not known") from error
        if self._guard and not all(self._guard.admits(address) for address in addresses):
            raise TargetRefused("a name of which not every address is of the public internet")
        failure: Exception = httpcore2.ConnectError("the name has no address")
        for address in addresses[:MAX_TRIED_ADDRESSES]:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Wait between attempts."""
        await asyncio.sleep(seconds)
