import pytest

from mmgl.utils.checks import require


class Part:
    pass


def test_only_a_bad_argument_is_an_error_that_names_the_part():
    require(Part(), True, 'margin >= 0', 1)
    with pytest.raises(ValueError, match="^Part needs mode in .*, got 'x'$"):
        require(Part(), False, f'mode in {("a", "b")}', 'x')
