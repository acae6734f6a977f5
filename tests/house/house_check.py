#!/usr/bin/env python3
"""Keeps the house rules true: python3 house_check.py ROOT CHECK...

Checks: include_order, mirror, listed, leftovers. Each violation is one line file:line: what, and what
is allowed; exit code 1 when there is any.
"""
import pathlib
import re
import sys

# Each folder may include itself and those before it.
FOLDERS = ["models", "planner", "executor", "profiler", "tools"]

# Library headers, and the only places of the repository that may include them.
LIBRARIES = [
    ("Eigen", r"Eigen/", r"models/[^/]+\.cpp"),
    ("yaml-cpp", r"yaml-cpp/", r"models/yaml_io\.cpp"),
    ("NLopt", r"nlopt", r"planner/[^/]+\.cpp"),
    ("MPI", r"mpi(-ext)?\.h", r"executor/runtime/mpi/.+"),
    ("BLAS", r"(openblas/)?(cblas|openblas_config|lapacke?)\.h|dnnl|oneapi/dnnl", r"executor/layers/blas/.+"),
    ("CUDA", r"(cuda|cublas|curand|nvtx|driver_types)", r"executor/(runtime|layers)/cuda/.+"),
    ("NCCL", r"nccl", r"executor/runtime/nccl/.+"),
    ("CLI11", r"CLI/", r"tools/.+"),
    ("nlohmann-json", r"nlohmann/", r"tools/.+"),
    ("GoogleTest", r"(gtest|gmock)/", r"tests/.+"),
    ("Google Benchmark", r"benchmark/", r"tests/benchmarks/.+"),
]

SOURCE_SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}
EXCEPTIONS = "tests/house/tested_elsewhere.txt"


def source_files(root, folders):
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCE_SUFFIXES and path.is_file():
                yield path.relative_to(root)


def lines_of(root, path):
    return enumerate((root / path).read_text(encoding="utf-8").splitlines(), start=1)


def tested_part(path):
    """tests/planner/plan_test.cpp stands for planner/plan_test.cpp: tests may use what they test uses."""
    parts = path.parts
    if parts[0] == "tests" and len(parts) > 2 and parts[1] in FOLDERS:
        return pathlib.Path(*parts[1:])
    return path


def wrong_folder(root, path, included):
    """Why `path` may not have #include "included", or None."""
    target = included.split("/")[0]
    home = tested_part(path).parts[0]
    if not (root / included).is_file():
        return f'"{included}" is no file of the repository; paths start at its root'
    if target == "tests" and path.parts[0] != "tests":
        return f'"{included}" is part of the tests'
    if target in FOLDERS and home in FOLDERS and FOLDERS.index(target) > FOLDERS.index(home):
        return f'{home}/ may not include "{included}"; allowed: {" <- ".join(FOLDERS[:FOLDERS.index(home) + 1])}'
    return None


def wrong_library(path, included):
    for name, header, home in LIBRARIES:
        if not re.match(header, included):
            continue
        if re.fullmatch(home, str(path)) or re.fullmatch(home, str(tested_part(path))):
            return None
        return f"<{included}> of {name} may be included only by files that match {home}"
    return None


def include_order(root):
    """Quoted includes obey the folder order; a library is included only where it belongs."""
    for path in source_files(root, FOLDERS + ["tests"]):
        for number, line in lines_of(root, path):
            found = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            if not found:
                continue
            quoted = found.group(1) == '"'
            problem = wrong_library(path, found.group(2))
            if problem is None and quoted:
                problem = wrong_folder(root, path, found.group(2))
            if problem:
                yield f"{path}:{number}: {problem}"


def read_exceptions(root):
    """file -> (line number, test file or reason), from lines `file: text`."""
    exceptions = {}
    if (root / EXCEPTIONS).is_file():
        for number, line in lines_of(root, EXCEPTIONS):
            if line.strip() and not line.startswith("#"):
                source, _, text = line.partition(":")
                exceptions[source.strip()] = (number, text.strip())
    return exceptions


def test_of(source):
    return pathlib.Path("tests") / source.parent / f"{source.stem}_test.cpp"


def stale_exceptions(root, exceptions):
    for name, (number, text) in exceptions.items():
        where = f"{EXCEPTIONS}:{number}:"
        if not (root / name).is_file():
            yield f"{where} {name} does not exist"
        elif not name.startswith("tests/") and (root / test_of(pathlib.Path(name))).is_file():
            yield f"{where} {name} has a test of its own by now"
        elif not text or (text.startswith("tests/") and not (root / text.split()[0]).exists()):
            yield f"{where} name an existing test, or say why there is none"


def mirror(root):
    """models/units.cpp has tests/models/units_test.cpp, and the other way round."""
    exceptions = read_exceptions(root)
    yield from stale_exceptions(root, exceptions)
    for path in source_files(root, FOLDERS):
        if path.suffix in {".cpp", ".cu"} and not (root / test_of(path)).is_file() and str(path) not in exceptions:
            yield f"{path}:1: has no test; expected {test_of(path)} (or a line in {EXCEPTIONS})"
    for path in source_files(root, [f"tests/{folder}" for folder in FOLDERS]):
        source = tested_part(path).with_name(path.name.replace("_test.cpp", ""))
        tested = any((root / source).with_suffix(suffix).is_file() for suffix in SOURCE_SUFFIXES)
        if path.name.endswith("_test.cpp") and not tested and str(path) not in exceptions:
            yield f"{path}:1: mirrors nothing; there is no {source}.cpp or {source}.h (or a line in {EXCEPTIONS})"


def listed_sources(root):
    """What the CMakeLists.txt of all folders name, as paths from the root."""
    for folder in FOLDERS + ["tests"]:
        for lists in (root / folder).rglob("CMakeLists.txt"):
            for name in re.findall(r"[\w./-]+\.(?:cpp|cu)\b", lists.read_text(encoding="utf-8")):
                yield (lists.parent / name).resolve()


def listed(root):
    """Every source file is named in a CMakeLists.txt: none is left unbuilt."""
    known = set(listed_sources(root))
    for path in source_files(root, FOLDERS + ["tests"]):
        if path.suffix in {".cpp", ".cu"} and (root / path).resolve() not in known:
            yield f"{path}:1: no CMakeLists.txt lists it, so it is never built"


def leftovers(root):
    """Code is finished: what is left to do is an issue, not a comment; merges are resolved."""
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|not implemented)\b|^(<{7}|>{7}) ")
    for path in source_files(root, FOLDERS + ["tests"]):
        for number, line in lines_of(root, path):
            if marks.search(line):
                yield f"{path}:{number}: leftover: {line.strip()}"


CHECKS = {check.__name__: check for check in (include_order, mirror, listed, leftovers)}


def main(arguments):
    if len(arguments) < 2 or any(name not in CHECKS for name in arguments[1:]):
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(arguments[0])
    violations = [line for name in arguments[1:] for line in CHECKS[name](root)]
    print("\n".join(violations))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
