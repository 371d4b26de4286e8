"""Run as a script: a command line for each line of standard input, in a fork, so that imports are made once for many.

A line is a JSON object with ``words`` of the command line, ``environment``, and the files ``out`` and ``err`` that
standard output and standard error go to; each is answered with the status.
"""

import gc
import json
import os
import pkgutil
import sys
import traceback
from importlib import import_module

import vestige
from vestige.cli.main import main

for each in pkgutil.walk_packages(vestige.__path__, "vestige."):
    if not each.name.endswith("__main__"):
        import_module(each.name)
gc.freeze()  # or each fork would copy what the garbage collector looks at

for line in sys.stdin:
    asked = json.loads(line)
    process = os.fork()
    if process:
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
        continue
    os.environ.clear()
    os.environ.update(asked["environment"])
    for number, file in ((1, asked["out"]), (2, asked["err"])):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["vestige", *asked["words"]]
    status = 0
    try:
        main()
    except SystemExit as stop:
        status = stop.code
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)  # taking down all that was imported takes a second
