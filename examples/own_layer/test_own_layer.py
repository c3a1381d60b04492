from own_layer import Mended, Normalise

from nndebug.testing import parametrize_with_checks


@parametrize_with_checks([Normalise(3), Mended(3)])
def test_layer(member, check):
    check(member)
