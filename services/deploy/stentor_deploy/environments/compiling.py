"""Program: compiles the files named by its arguments, by the interpreter that runs it, and prints the numbers
of those that it compiled, counted from 0.

Runs by Python 3.8 and newer, without the packages of Stentor.
"""

import importlib.util
import os
import py_compile
import sys

if __name__ == "__main__":
    for number, source in enumerate(sys.argv[1:]):
        if os.path.exists(importlib.util.cache_from_source(source)):  # noqa: PTH110 - starts faster
            continue
        try:
            # Never compared with their sources: environments do not change, and may be copied elsewhere.
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(source, doraise=True, invalidation_mode=mode)
        except (py_compile.PyCompileError, OSError, ValueError, RecursionError, MemoryError):
            continue
        sys.stdout.write(f"{number}\n")
