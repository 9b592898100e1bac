"""The claims of docs/capacity.md about random worlds, on fewer days than its table has."""

import argparse
import functools
import sys
import unittest

import template

sys.path.insert(0, str(template.ROOT / "tests" / "capacity"))

import worlds  # noqa: E402

OPTIONS = argparse.Namespace(worlds=6, seed=1, loss=0.001, reserve=1)
KINDS = [(mixed, sizes) for mixed in (False, True) for sizes in ([worlds.LARGEST], worlds.SMALLER)]


@functools.cache
def results(formula):
    return [worlds.days(formula, mixed, sizes, OPTIONS) for mixed, sizes in KINDS]


class Worlds(unittest.TestCase):
    def share(self, found):
        return sum(each.unsafe for each in found) / sum(each.ins for each in found)

    def test_scale_in_is_seldom_unsafe(self):
        ours, classic = results(worlds.by_ours), results(worlds.by_classic)
        for each in ours:
            self.assertGreater(each.ins, 30)
        self.assertLess(self.share(ours[:3]), 0.01)
        self.assertLess(self.share(ours[3:]), 0.06)
        # On mixed instances, the classic formula reports room that does not exist.
        for each, other in zip(ours[2:], classic[2:]):
            self.assertLess(self.share([each]), self.share([other]) / 2)
            self.assertLess(each.waited, other.waited / 10)

    def test_scale_in_seldom_repeats_itself(self):
        for each, other in zip(results(worlds.by_ours), results(worlds.by_classic)):
            self.assertLessEqual(each.repeats, 0.04 * each.ins)
            self.assertLess(each.repeats, other.repeats)

    def test_the_same_seed_is_the_same_world(self):
        mixed, sizes = KINDS[3]
        self.assertEqual(worlds.days(worlds.by_ours, mixed, sizes, OPTIONS), results(worlds.by_ours)[3])


if __name__ == "__main__":
    unittest.main()
