"""How many kills; the default takes about an hour on two cores."""


def pytest_addoption(parser):
    parser.addoption('--kills', type=int, default=50)
    parser.addoption('--kill-seed', type=int, default=0)
