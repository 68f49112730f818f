"""What the Autobahn test suite found: a line for each case that is not strictly right, then `N passed, N failed`.

OK and INFORMATIONAL (the standard leaves the behaviour open) pass; NON-STRICT fails like FAILED does.
"""

import json
import sys
from pathlib import Path

RIGHT = ("OK", "INFORMATIONAL")


def main(index: Path) -> int:
    cases = json.loads(index.read_text(encoding="utf-8"))["walcast"]
    wrong = [name for name, case in cases.items() if case["behavior"] not in RIGHT or case["behaviorClose"] not in RIGHT]
    for name in sorted(wrong, key=lambda case: [int(part) for part in case.split(".")]):
        report = json.loads((index.parent / cases[name]["reportfile"]).read_text(encoding="utf-8"))
        print(f"{name}: {report['behavior']}, closing {report['behaviorClose']}: {report['description']}")
        print(f"    expected {report['expected']}, got {report['received']}; {report['result']} {report['resultClose']}")
    print(f"{len(cases) - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong or not cases else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
