"""The daemon's files: bounded, regular, and where they decide something, nobody's but root's."""

import os
from pathlib import Path

import pytest

from agent.daemon.files import own_folder, read_bounded, read_private, read_trusted, why_unreadable

NOBODY = 65_534


def file(folder: Path, mode: int = 0o600, owner: int = 0) -> Path:
    path = folder / "file"
    path.write_bytes(b"four")
    os.chown(path, owner, 0)
    path.chmod(mode)
    return path


def test_a_file_is_read_up_to_its_bound(tmp_path: Path):
    assert read_bounded(file(tmp_path), 4) == b"four"
    with pytest.raises(ValueError, match="larger than 3 bytes"):
        read_bounded(file(tmp_path), 3)


def test_a_pipe_is_refused_and_never_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for read in (read_bounded, read_private, read_trusted):
        with pytest.raises(ValueError, match="not a regular file"):
            read(tmp_path / "pipe", 4)


def test_what_is_private_is_readable_by_its_owner_alone(tmp_path: Path):
    assert read_private(file(tmp_path), 4) == b"four"
    with pytest.raises(ValueError, match="can be read by other users"):
        read_private(file(tmp_path, 0o640), 4)
    with pytest.raises(ValueError, match="belongs to another user"):
        read_private(file(tmp_path, 0o600, NOBODY), 4)


@pytest.mark.parametrize(("mode", "owner"), [(0o664, 0), (0o646, 0), (0o600, NOBODY)])
def test_what_others_can_change_is_not_trusted(tmp_path: Path, mode: int, owner: int):
    assert read_trusted(file(tmp_path, 0o644), 4) == b"four"
    with pytest.raises(ValueError, match="can be changed by other users"):
        read_trusted(file(tmp_path, mode, owner), 4)


def test_what_others_can_replace_is_not_trusted(tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = file(folder, 0o644)
    folder.chmod(0o1777)
    assert read_trusted(path, 4) == b"four"
    folder.chmod(0o777)
    with pytest.raises(ValueError, match="can be changed by other users"):
        read_trusted(path, 4)


def test_a_link_is_as_good_as_the_place_it_leads_to(tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir()
    link = tmp_path / "link"
    link.symlink_to(file(folder, 0o644))
    assert read_trusted(link, 4) == b"four"
    os.chown(folder, NOBODY, 0)
    with pytest.raises(ValueError, match="can be changed by other users"):
        read_trusted(link, 4)


def test_a_folder_of_our_own_is_made_and_anothers_is_refused(tmp_path: Path):
    own_folder(tmp_path / "state")
    own_folder(tmp_path / "state")
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    os.chown(tmp_path / "state", NOBODY, 0)
    with pytest.raises(ValueError, match="can be changed by other users"):
        own_folder(tmp_path / "state")
    (tmp_path / "link").symlink_to(tmp_path / "state")
    with pytest.raises(ValueError, match="can be changed by other users"):
        own_folder(tmp_path / "link")


def test_an_error_without_a_file_is_told_without_one():
    assert why_unreadable(OSError(98, "Address already in use")) == "Address already in use"
    assert why_unreadable(OSError("AF_UNIX path too long")) == "AF_UNIX path too long"
    assert why_unreadable(FileNotFoundError(2, "No such file", "x")) == "x: No such file"
