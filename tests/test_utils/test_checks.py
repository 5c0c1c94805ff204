import pytest

from mmgl.utils.checks import check_workers, require
from mmgl.utils.errors import ConfigError


class Part:
    pass


def test_only_a_bad_argument_is_an_error_that_names_the_part():
    require(Part(), True, 'margin >= 0', 1)
    with pytest.raises(ValueError, match="^Part needs mode in .*, got 'x'$"):
        require(Part(), False, f'mode in {("a", "b")}', 'x')


@pytest.mark.parametrize('number', [-1, 10**4, 10**12])
def test_absurd_numbers_of_workers_are_refused(number):
    check_workers(0)
    check_workers(64, 'any')
    with pytest.raises(ConfigError, match=f'^any={number}: .* 0 to [0-9]+ w'):
        check_workers(number, 'any')
