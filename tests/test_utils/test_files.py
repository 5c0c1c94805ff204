import pytest

from mmgl.utils.files import replace_whole


def test_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'new' / 'a.txt'
    with replace_whole(path) as partial:
        partial.write_text('first')
        assert not path.exists()
    assert path.read_text() == 'first'
    with pytest.raises(KeyboardInterrupt), replace_whole(path) as partial:
        partial.write_text('half')
        raise KeyboardInterrupt
    assert path.read_text() == 'first'
    # Nothing is left behind either way.
    assert list(path.parent.iterdir()) == [path]
