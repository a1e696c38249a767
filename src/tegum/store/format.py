"""The mark of a store: which format it is written in, and who may read it."""

from __future__ import annotations

import json
from pathlib import Path

from tegum.store.places import Folder, StoreError
from tegum.store.provenance import Provenance

FORMAT, VERSION = "tegum-store", 1
MARK = "store.json"


def make(root: Path) -> None:
    """Make an empty store in a new or empty directory.

    Raises:
        StoreError: the directory holds other things, or can not be written.
    """
    if not is_free(root):
        return
    mark = {"format": FORMAT, "version": VERSION}
    mark |= {"written_by": f"tegum {Provenance.of_tegum().tegum_version}"}
    place = Folder(root)
    place.write(".", MARK, (json.dumps(mark, indent=1) + "\n").encode())
    with place.merging():
        pass


def is_free(root: Path) -> bool:
    """Whether a store could be made in a directory; False if one is there already.

    Raises:
        StoreError: the directory holds other things, or is none.
    """
    try:
        entries = list(root.iterdir())
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        raise StoreError(
            f"{root} is a file, or lies in one; a store is a directory, so give "
            "another path"
        ) from None
    if all(path.name.startswith(".") for path in entries):
        return True
    try:
        # Between two looks another process may have made it.
        require_readable((root / MARK).read_text(encoding="utf-8"), root)
    except FileNotFoundError:
        raise StoreError(
            f"{root} holds files that are not a store's; give an empty or a new "
            "directory"
        ) from None
    return False


def require_readable(text: str, root: Path) -> None:
    """Refuse what is no store, or one that a newer version wrote.

    Raises:
        StoreError: with the reason and the remedy.
    """
    try:
        mark = json.loads(text)
        version = int(mark["version"])
        ours = mark["format"] == FORMAT
    except (ValueError, KeyError, TypeError):
        ours, version, mark = False, 0, {}
    if not ours:
        raise StoreError(
            f"{root / MARK} does not say that this is a store of tegum; give another "
            "directory, or put the file back"
        )
    if version > VERSION:
        raise StoreError(
            f"{root} was written by {mark.get('written_by', 'a newer tegum')} in the "
            f"store format {version}, and this tegum reads formats up to {VERSION}; "
            "install a newer tegum"
        )
