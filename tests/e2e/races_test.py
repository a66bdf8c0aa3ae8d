"""The races among the attacks, four ways: see attacks_test.py."""

import attacks_test
import support


def load_tests(loader, tests, pattern):
    return attacks_test.load_tests(loader, tests, pattern, races=True)


if __name__ == "__main__":
    support.main()
