"""The races among the attacks as i386 programs: see attacks32_test.py."""

import attacks32_test
import support


def load_tests(loader, tests, pattern):
    return attacks32_test.load_tests(loader, tests, pattern, races=True)


if __name__ == "__main__":
    support.main()
