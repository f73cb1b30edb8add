"""The files of renditions: made on request, once, and kept in the store.

They are made in processes beside the server, of a lower priority, so that decoding and encoding delay no other request.
"""

import asyncio
import os
import resource
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from app.core.problems import Unavailable
from app.publication.renditions import Form, PictureRow, Spec, file_key, folder_of
from app.publication.storage import NoSuchFile, Storage, open_storage
from app.web.offload import Offload

if TYPE_CHECKING:
    from PIL import Image

MAX_WAITING: Final = 64  # renditions that wait to be made; more are refused
REFUSAL: Final = "Too many renditions of pictures are waiting to be made."
NICENESS: Final = 10
MAX_MEMORY: Final = 3 << 30  # bytes of address space of a process that makes renditions


@lru_cache(1)
def _limit_process(server: int) -> None:
    """Lower the priority and the memory of this process, unless it is the server itself."""
    if os.getpid() != server:
        os.nice(NICENESS)
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        limit = MAX_MEMORY if most == resource.RLIM_INFINITY else min(MAX_MEMORY, most)
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))


@lru_cache(2)
def _open_source(storage_url: str, key: str, factor: int) -> "Image.Image":
    """Read and decode a stored picture; the last ones are kept, as their other renditions are often requested next."""
    from app.publication import images  # here, as few processes make renditions, and Pillow takes 4 MB

    return images.open_source(open_storage(storage_url).get(key), factor)


def make_file(storage_url: str, server: int, row: PictureRow, spec: Spec, form: Form) -> bytes:
    """Make a rendition and store its file; returns it. Slow: `server` is the process that must not do it."""
    from app.publication import images

    _limit_process(server)
    assert row["key"] is not None, "only stored pictures have renditions"
    factor = images.find_reduction(row["width"] or 1, row["height"] or 1, spec)
    try:
        data = images.encode_rendition(_open_source(storage_url, row["key"], factor), spec, form)
    except MemoryError as error:
        raise Unavailable("There is not enough memory for this rendition.") from error
    open_storage(storage_url).put(file_key(row["id"], spec, form), data)
    return data


class RenditionMaker:
    """Returns files of renditions; each that is missing is made by one request, for which the others wait."""

    def __init__(self, storage_url: str, storage: Storage, offload: Offload) -> None:
        self._url, self._storage, self._offload = storage_url, storage, offload
        self._flights: dict[str, asyncio.Task[bytes]] = {}

    async def get_file(self, row: PictureRow, spec: Spec, form: Form) -> bytes:
        """Return the file of a rendition. Raises errors of the store, and 503 if too many are waiting to be made."""
        key = file_key(row["id"], spec, form)
        try:
            return await asyncio.to_thread(self._storage.get, key)
        except NoSuchFile:
            pass
        flight = self._flights.get(key)
        if flight is None:
            work = self._offload.run(make_file, self._url, os.getpid(), row, spec, form)
            flight = self._flights[key] = asyncio.create_task(work)
            flight.add_done_callback(partial(self._end_flight, key))
        return await asyncio.shield(flight)  # of which others may need the result

    def _end_flight(self, key: str, flight: asyncio.Task[bytes]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # marks it as retrieved: the callers, if any still wait, get it

    async def delete_files(self, picture_id: str) -> None:
        """Delete the files of all renditions of a picture."""
        await asyncio.to_thread(self._storage.delete_folder, folder_of(picture_id))
